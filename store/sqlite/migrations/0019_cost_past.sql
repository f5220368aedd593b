-- Sums of days that are over, over all calls or by the values of a dimension, and by
-- targets, or by tasks and strategies: in cost_rollup, an hour rarely sees the same twice. A job
-- makes them, day by day, up to the boundary; calls from before it that are stored
-- later are added with everything else.
CREATE TABLE cost_past (
  unit        TEXT    NOT NULL CHECK (unit IN ('day by target', 'day by task', 'month by target', 'month by task')),
  dimension   TEXT    NOT NULL,
  start       INTEGER NOT NULL,                 -- of the day or month, hours since the epoch, UTC
  value       TEXT    NOT NULL CHECK ((value = '') = (dimension = '')),
  target      INTEGER NOT NULL CHECK ((target = 0) = (unit LIKE '% by task')),
  task        TEXT    NOT NULL CHECK ((task = '') = (unit LIKE '% by target')),
  strategy    TEXT    NOT NULL,
  calls       INTEGER NOT NULL CHECK (calls >= 0),
  failed      INTEGER NOT NULL CHECK (failed BETWEEN 0 AND calls),
  unpriced    INTEGER NOT NULL CHECK (unpriced BETWEEN 0 AND calls),
  cost        INTEGER NOT NULL,                 -- nano-USD
  estimated   INTEGER NOT NULL,                 -- nano-USD
  input       INTEGER NOT NULL,                 -- tokens, as the following
  cached_read INTEGER NOT NULL,
  cache_write INTEGER NOT NULL,
  output      INTEGER NOT NULL,
  reasoning   INTEGER NOT NULL,
  latency_ms  REAL    NOT NULL,                 -- sum over latency_calls
  latency_calls INTEGER NOT NULL CHECK (latency_calls BETWEEN 0 AND calls),
  ttft_ms     REAL    NOT NULL,                 -- sum over ttft_calls
  ttft_calls  INTEGER NOT NULL CHECK (ttft_calls BETWEEN 0 AND calls),
  PRIMARY KEY (unit, dimension, start, value, target, task, strategy)
) STRICT, WITHOUT ROWID;
CREATE INDEX cost_past_value ON cost_past (unit, dimension, value, start) WHERE dimension <> '';

CREATE TABLE cost_past_boundary (
  below INTEGER NOT NULL, -- beginning of a day, hours since the epoch, UTC; of the year 1: there are none
  one   INTEGER NOT NULL PRIMARY KEY CHECK (one = 1)
) STRICT;
INSERT INTO cost_past_boundary VALUES (-17259888, 1);
