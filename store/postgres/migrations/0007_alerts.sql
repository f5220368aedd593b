-- Rules that were created over the API; those of the configuration are not here.
CREATE TABLE alert_rules (
  name text NOT NULL PRIMARY KEY CHECK (name <> ''),
  doc  json NOT NULL
);

-- What rules add up over the calls of each gateway, in pieces of some seconds or
-- minutes. A row is written whole, again and again until its time is over.
CREATE TABLE alert_samples (
  rule    text        NOT NULL,
  version text        NOT NULL, -- of what the rule measures
  at      timestamptz NOT NULL, -- beginning of the piece
  subject text        NOT NULL,
  gateway text        NOT NULL,
  sum     json        NOT NULL,
  PRIMARY KEY (rule, version, at, subject, gateway)
) WITH (fillfactor = 70);
CREATE INDEX alert_samples_at ON alert_samples (at);

-- Rules that hold: they wait for their time, or fire.
CREATE TABLE alert_states (
  rule    text NOT NULL,
  subject text NOT NULL,
  doc     json NOT NULL,
  PRIMARY KEY (rule, subject)
) WITH (fillfactor = 70);

-- What fired.
CREATE TABLE alerts (
  incident text        NOT NULL PRIMARY KEY CHECK (incident <> ''),
  rule     text        NOT NULL,
  type     text        NOT NULL,
  severity text        NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
  subject  text        NOT NULL,
  fired    timestamptz NOT NULL,
  resolved timestamptz CHECK (resolved >= fired), -- NULL: it fires
  doc      json        NOT NULL
);
CREATE INDEX alerts_fired    ON alerts (fired);
CREATE INDEX alerts_resolved ON alerts (resolved) WHERE resolved IS NOT NULL;
CREATE INDEX alerts_rule     ON alerts (rule, fired);

-- Messages to channels.
CREATE TABLE alert_deliveries (
  id      text        NOT NULL PRIMARY KEY CHECK (id <> ''),
  channel text        NOT NULL,
  state   text        NOT NULL CHECK (state IN ('waiting', 'delivered', 'failed', 'withdrawn')),
  at      timestamptz NOT NULL,
  ended   timestamptz CHECK ((ended IS NULL) = (state = 'waiting')),
  doc     json        NOT NULL
);
CREATE INDEX alert_deliveries_waiting ON alert_deliveries (id) WHERE state = 'waiting';
CREATE INDEX alert_deliveries_at      ON alert_deliveries (at);
CREATE INDEX alert_deliveries_ended   ON alert_deliveries (ended) WHERE ended IS NOT NULL;
CREATE INDEX alert_deliveries_channel ON alert_deliveries (channel, at);
