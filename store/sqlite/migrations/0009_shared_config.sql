-- Versions of the configuration that all replicas share; the latest is in force.
CREATE TABLE shared_config (
  version  INTEGER PRIMARY KEY CHECK (version > 0),
  at       INTEGER NOT NULL, -- µs since 1970
  actor    TEXT NOT NULL,
  document TEXT NOT NULL     -- YAML
) STRICT;
