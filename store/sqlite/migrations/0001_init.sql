-- Every version of every model record that was added, imported, edited or retired.
CREATE TABLE model_versions (
  seq      INTEGER PRIMARY KEY AUTOINCREMENT,  -- rises with every write; never reused
  model_id TEXT    NOT NULL CHECK (model_id <> ''),
  number   INTEGER NOT NULL CHECK (number >= 1),
  at       INTEGER NOT NULL,                   -- µs since the epoch, UTC
  actor    TEXT    NOT NULL,
  action   TEXT    NOT NULL CHECK (action <> ''),
  record   TEXT    NOT NULL CHECK (json_valid(record)),
  diff     TEXT             CHECK (diff IS NULL OR json_valid(diff)),
  UNIQUE (model_id, number)
) STRICT;

-- The latest version of each.
CREATE TABLE models (
  model_id TEXT    NOT NULL PRIMARY KEY,
  number   INTEGER NOT NULL,
  FOREIGN KEY (model_id, number) REFERENCES model_versions (model_id, number)
) STRICT, WITHOUT ROWID;

-- Who served calls. Calls and rollups refer to it by number.
CREATE TABLE targets (
  id       INTEGER PRIMARY KEY,
  endpoint TEXT NOT NULL,
  model    TEXT NOT NULL,
  provider TEXT NOT NULL,
  UNIQUE (endpoint, model, provider)
) STRICT;
CREATE INDEX targets_model ON targets (model);

-- One row per call that ended (or was only decided: state planned).
CREATE TABLE calls (
  seq         INTEGER PRIMARY KEY,             -- µs since the epoch when it ended, raised where needed to be unique and rising
  id          BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),
  started     INTEGER,                         -- µs when its intent was recorded; NULL if it had none
  target      INTEGER NOT NULL REFERENCES targets (id),
  state       TEXT    NOT NULL CHECK (state IN ('planned', 'completed', 'failed')),
  task        TEXT    NOT NULL CHECK (task <> ''),
  strategy    TEXT    CHECK (strategy <> ''),  -- NULL: no plan
  user_id     TEXT    CHECK (user_id <> ''),
  workflow_id TEXT    CHECK (workflow_id <> ''),
  stage       TEXT    CHECK (stage <> ''),
  session_id  TEXT    CHECK (session_id <> '')
) STRICT;
CREATE INDEX calls_target   ON calls (target);
CREATE INDEX calls_failed   ON calls (state)       WHERE state = 'failed';
CREATE INDEX calls_user     ON calls (user_id)     WHERE user_id IS NOT NULL;
CREATE INDEX calls_workflow ON calls (workflow_id) WHERE workflow_id IS NOT NULL;
CREATE INDEX calls_session  ON calls (session_id)  WHERE session_id IS NOT NULL;

-- Their documents, compressed together: a block holds the calls from its seq up
-- to the next block's. See documents.go for the format.
CREATE TABLE call_blocks (
  seq     INTEGER PRIMARY KEY,
  records BLOB NOT NULL,
  plans   BLOB NOT NULL
) STRICT;

-- Sums per hour: over all calls (dimension ''), and over those that have a
-- user, a workflow run, a stage.
CREATE TABLE cost_rollup (
  dimension   TEXT    NOT NULL CHECK (dimension IN ('', 'user', 'workflow', 'stage')),
  hour        INTEGER NOT NULL,                -- since the epoch, UTC
  value       TEXT    NOT NULL CHECK ((value = '') = (dimension = '')),
  target      INTEGER NOT NULL REFERENCES targets (id),
  task        TEXT    NOT NULL,
  strategy    TEXT    NOT NULL,
  calls       INTEGER NOT NULL CHECK (calls > 0),
  failed      INTEGER NOT NULL CHECK (failed BETWEEN 0 AND calls),
  unpriced    INTEGER NOT NULL CHECK (unpriced BETWEEN 0 AND calls),
  cost        INTEGER NOT NULL,                -- nano-USD
  estimated   INTEGER NOT NULL,                -- nano-USD
  input       INTEGER NOT NULL,                -- tokens, as the following
  cached_read INTEGER NOT NULL,
  cache_write INTEGER NOT NULL,
  output      INTEGER NOT NULL,
  reasoning   INTEGER NOT NULL,
  latency_ms  REAL    NOT NULL,                -- sum over calls
  ttft_ms     REAL    NOT NULL,                -- sum over ttft_calls
  ttft_calls  INTEGER NOT NULL CHECK (ttft_calls BETWEEN 0 AND calls),
  PRIMARY KEY (dimension, hour, value, target, task, strategy)
) STRICT, WITHOUT ROWID;

-- How far each event spool has been read; written with the calls themselves.
CREATE TABLE spool_position (
  spool   TEXT    NOT NULL PRIMARY KEY CHECK (spool <> ''),
  segment INTEGER NOT NULL CHECK (segment >= 0),
  "offset" INTEGER NOT NULL CHECK ("offset" >= 0)
) STRICT, WITHOUT ROWID;
