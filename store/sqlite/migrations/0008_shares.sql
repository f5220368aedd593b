-- A call that fell back is billed at several endpoints: rows of those that did
-- not answer it have cost and tokens, but no calls. A call that was never sent
-- has no latency, so that the calls that have one are counted apart. A CHECK cannot be altered:
-- the table is made anew. Rows of calls that are stored already stay as they
-- are, with all of a call at the endpoint that it ended at.
DROP VIEW model_daily_costs;
ALTER TABLE cost_rollup RENAME TO cost_rollup_2;
CREATE TABLE cost_rollup (
  dimension   TEXT    NOT NULL CHECK (dimension IN ('', 'user', 'workflow', 'stage', 'supervisor', 'key', 'team', 'project', 'tag')),
  hour        INTEGER NOT NULL,                -- since the epoch, UTC
  value       TEXT    NOT NULL CHECK ((value = '') = (dimension = '')),
  target      INTEGER NOT NULL REFERENCES targets (id),
  task        TEXT    NOT NULL,
  strategy    TEXT    NOT NULL,
  calls       INTEGER NOT NULL CHECK (calls >= 0), -- that ended here
  failed      INTEGER NOT NULL CHECK (failed BETWEEN 0 AND calls),
  unpriced    INTEGER NOT NULL CHECK (unpriced BETWEEN 0 AND calls),
  cost        INTEGER NOT NULL,                -- nano-USD, billed here
  estimated   INTEGER NOT NULL,                -- nano-USD
  input       INTEGER NOT NULL,                -- tokens, billed here, as the following
  cached_read INTEGER NOT NULL,
  cache_write INTEGER NOT NULL,
  output      INTEGER NOT NULL,
  reasoning   INTEGER NOT NULL,
  latency_ms  REAL    NOT NULL,                -- sum over latency_calls
  latency_calls INTEGER NOT NULL CHECK (latency_calls BETWEEN 0 AND calls),
  ttft_ms     REAL    NOT NULL,                -- sum over ttft_calls
  ttft_calls  INTEGER NOT NULL CHECK (ttft_calls BETWEEN 0 AND calls),
  PRIMARY KEY (dimension, hour, value, target, task, strategy)
) STRICT, WITHOUT ROWID;
INSERT INTO cost_rollup
  SELECT dimension, hour, value, target, task, strategy, calls, failed, unpriced, cost, estimated,
         input, cached_read, cache_write, output, reasoning, latency_ms, calls, ttft_ms, ttft_calls
    FROM cost_rollup_2;
DROP TABLE cost_rollup_2;

-- What each model cost each day (UTC), from the rollups.
CREATE VIEW model_daily_costs AS
  SELECT t.model AS model_id, date(r.hour * 3600, 'unixepoch') AS day,
         sum(r.calls) AS calls, sum(r.failed) AS failed, sum(r.unpriced) AS unpriced,
         sum(r.cost) / 1e9 AS cost_usd, sum(r.cost) AS cost_nano_usd,
         sum(r.input) AS input_tokens, sum(r.cached_read) AS cached_read_tokens, sum(r.cache_write) AS cache_write_tokens,
         sum(r.output) AS output_tokens, sum(r.reasoning) AS reasoning_tokens
    FROM cost_rollup r JOIN targets t ON t.id = r.target
   WHERE r.dimension = ''
   GROUP BY 1, 2;
