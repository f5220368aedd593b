-- Rules that were created over the API; those of the configuration are not here.
CREATE TABLE alert_rules (
  name TEXT NOT NULL PRIMARY KEY CHECK (name <> ''),
  doc  TEXT NOT NULL
) STRICT;

-- What rules add up over the calls, in pieces of some seconds or minutes. A row
-- is written whole, again and again until its time is over.
CREATE TABLE alert_samples (
  rule    TEXT    NOT NULL,
  version TEXT    NOT NULL, -- of what the rule measures
  at      INTEGER NOT NULL, -- beginning of the piece, µs since the epoch
  subject TEXT    NOT NULL,
  gateway TEXT    NOT NULL,
  sum     TEXT    NOT NULL,
  PRIMARY KEY (rule, version, at, subject, gateway)
) STRICT, WITHOUT ROWID;
CREATE INDEX alert_samples_at ON alert_samples (at);

-- Rules that hold: they wait for their time, or fire.
CREATE TABLE alert_states (
  rule    TEXT NOT NULL,
  subject TEXT NOT NULL,
  doc     TEXT NOT NULL,
  PRIMARY KEY (rule, subject)
) STRICT, WITHOUT ROWID;

-- What fired.
CREATE TABLE alerts (
  incident TEXT    NOT NULL PRIMARY KEY CHECK (incident <> ''),
  rule     TEXT    NOT NULL,
  type     TEXT    NOT NULL,
  severity TEXT    NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
  subject  TEXT    NOT NULL,
  fired    INTEGER NOT NULL,                     -- µs since the epoch
  resolved INTEGER CHECK (resolved >= fired),    -- likewise; NULL: it fires
  doc      TEXT    NOT NULL
) STRICT;
CREATE INDEX alerts_fired    ON alerts (fired);
CREATE INDEX alerts_resolved ON alerts (resolved) WHERE resolved IS NOT NULL;
CREATE INDEX alerts_rule     ON alerts (rule, fired);

-- Messages to channels.
CREATE TABLE alert_deliveries (
  id      TEXT    NOT NULL PRIMARY KEY CHECK (id <> ''),
  channel TEXT    NOT NULL,
  state   TEXT    NOT NULL CHECK (state IN ('waiting', 'delivered', 'failed', 'withdrawn')),
  at      INTEGER NOT NULL,                                         -- µs since the epoch
  ended   INTEGER CHECK ((ended IS NULL) = (state = 'waiting')),    -- likewise
  doc     TEXT    NOT NULL
) STRICT;
CREATE INDEX alert_deliveries_waiting ON alert_deliveries (id) WHERE state = 'waiting';
CREATE INDEX alert_deliveries_at      ON alert_deliveries (at);
CREATE INDEX alert_deliveries_ended   ON alert_deliveries (ended) WHERE ended IS NOT NULL;
CREATE INDEX alert_deliveries_channel ON alert_deliveries (channel, at);
