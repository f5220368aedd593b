-- Sums that are coarser than those of cost_rollup, in which an hour rarely sees
-- the same twice: over all calls by the hour (told apart by nothing) and by the
-- day (by target, task and strategy), and of every other dimension by day and
-- month (by its values alone). Written with the calls themselves.
CREATE TABLE cost_sums (
  unit        TEXT    NOT NULL CHECK (unit IN ('hour', 'day', 'month')),
  dimension   TEXT    NOT NULL,
  start       INTEGER NOT NULL,                 -- of the hour, day or month, hours since the epoch, UTC
  value       TEXT    NOT NULL CHECK ((value = '') = (dimension = '')),
  target      INTEGER NOT NULL,                 -- 0: all together
  task        TEXT    NOT NULL,                 -- '': all together
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
CREATE INDEX cost_sums_value ON cost_sums (unit, dimension, value, start) WHERE dimension <> '';

INSERT INTO cost_sums
  SELECT u.unit, r.dimension,
         CASE u.unit WHEN 'hour' THEN r.hour WHEN 'day' THEN r.hour / 24 * 24 ELSE unixepoch(r.hour * 3600, 'unixepoch', 'start of month') / 3600 END, r.value,
         CASE WHEN u.apart THEN r.target ELSE 0 END, CASE WHEN u.apart THEN r.task ELSE '' END, CASE WHEN u.apart THEN r.strategy ELSE '' END,
         sum(calls), sum(failed), sum(unpriced), sum(cost), sum(estimated), sum(input), sum(cached_read), sum(cache_write), sum(output), sum(reasoning),
         sum(latency_ms), sum(latency_calls), sum(ttft_ms), sum(ttft_calls)
    FROM cost_rollup r
    JOIN (SELECT 'hour' AS unit, 1 AS all_calls, 0 AS apart UNION ALL SELECT 'day', 1, 1 UNION ALL SELECT 'day', 0, 0 UNION ALL SELECT 'month', 0, 0) u
      ON u.all_calls = (r.dimension = '')
   GROUP BY 1, 2, 3, 4, 5, 6, 7;

-- What each model cost each day (UTC).
DROP VIEW model_daily_costs;
CREATE VIEW model_daily_costs AS
  SELECT t.model AS model_id, date(r.start * 3600, 'unixepoch') AS day,
         sum(r.calls) AS calls, sum(r.failed) AS failed, sum(r.unpriced) AS unpriced,
         sum(r.cost) / 1e9 AS cost_usd, sum(r.cost) AS cost_nano_usd,
         sum(r.input) AS input_tokens, sum(r.cached_read) AS cached_read_tokens, sum(r.cache_write) AS cache_write_tokens,
         sum(r.output) AS output_tokens, sum(r.reasoning) AS reasoning_tokens
    FROM cost_sums r JOIN targets t ON t.id = r.target
   WHERE r.unit = 'day' AND r.dimension = ''
   GROUP BY 1, 2;
