-- Versions of the configuration that all replicas share; the latest is in force.
CREATE TABLE shared_config (
  version  bigint PRIMARY KEY CHECK (version > 0),
  at       timestamptz NOT NULL,
  actor    text NOT NULL,
  document text NOT NULL     -- YAML
);
