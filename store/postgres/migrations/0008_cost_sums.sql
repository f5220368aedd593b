-- Sums that are coarser than those of cost_rollup, in which an hour rarely sees
-- the same twice: over all calls by the hour (told apart by nothing) and by the
-- day (by target, task and strategy), and of every other dimension by day and
-- month (by its values alone). Written with the calls themselves.
CREATE TABLE cost_sums (
  unit        text        NOT NULL CHECK (unit IN ('hour', 'day', 'month')),
  dimension   text        NOT NULL,
  start       timestamptz NOT NULL,                 -- of the hour, day or month, UTC
  value       text        NOT NULL CHECK ((value = '') = (dimension = '')),
  target      bigint      NOT NULL,                 -- 0: all together
  task        text        NOT NULL,                 -- '': all together
  strategy    text        NOT NULL,
  calls       bigint      NOT NULL CHECK (calls >= 0),
  failed      bigint      NOT NULL CHECK (failed BETWEEN 0 AND calls),
  unpriced    bigint      NOT NULL CHECK (unpriced BETWEEN 0 AND calls),
  cost        bigint      NOT NULL,                 -- nano-USD
  estimated   bigint      NOT NULL,                 -- nano-USD
  input       bigint      NOT NULL,                 -- tokens, as the following
  cached_read bigint      NOT NULL,
  cache_write bigint      NOT NULL,
  output      bigint      NOT NULL,
  reasoning   bigint      NOT NULL,
  latency_ms  double precision NOT NULL,            -- sum over latency_calls
  latency_calls bigint    NOT NULL CHECK (latency_calls BETWEEN 0 AND calls),
  ttft_ms     double precision NOT NULL,            -- sum over ttft_calls
  ttft_calls  bigint      NOT NULL CHECK (ttft_calls BETWEEN 0 AND calls),
  PRIMARY KEY (unit, dimension, start, value, target, task, strategy)
) WITH (fillfactor = 70); -- rows of the piece at hand change all the time
CREATE INDEX cost_sums_value ON cost_sums (unit, dimension, value, start) WHERE dimension <> '';

INSERT INTO cost_sums
  SELECT u.unit, r.dimension, date_trunc(u.unit, r.hour, 'UTC'), r.value,
         CASE WHEN u.apart THEN r.target ELSE 0 END, CASE WHEN u.apart THEN r.task ELSE '' END, CASE WHEN u.apart THEN r.strategy ELSE '' END,
         sum(calls), sum(failed), sum(unpriced), sum(cost), sum(estimated), sum(input), sum(cached_read), sum(cache_write), sum(output), sum(reasoning),
         sum(latency_ms), sum(latency_calls), sum(ttft_ms), sum(ttft_calls)
    FROM cost_rollup r
    JOIN (VALUES ('hour', true, false), ('day', true, true), ('day', false, false), ('month', false, false)) AS u (unit, all_calls, apart)
      ON u.all_calls = (r.dimension = '')
   GROUP BY 1, 2, 3, 4, 5, 6, 7;

-- What each model cost each day (UTC).
CREATE OR REPLACE VIEW model_daily_costs AS
  SELECT t.model AS model_id, (r.start AT TIME ZONE 'UTC')::date AS day,
         sum(r.calls)::bigint AS calls, sum(r.failed)::bigint AS failed, sum(r.unpriced)::bigint AS unpriced,
         sum(r.cost) / 1e9 AS cost_usd, sum(r.cost)::bigint AS cost_nano_usd,
         sum(r.input)::bigint AS input_tokens, sum(r.cached_read)::bigint AS cached_read_tokens, sum(r.cache_write)::bigint AS cache_write_tokens,
         sum(r.output)::bigint AS output_tokens, sum(r.reasoning)::bigint AS reasoning_tokens
    FROM cost_sums r JOIN targets t ON t.id = r.target
   WHERE r.unit = 'day' AND r.dimension = ''
   GROUP BY 1, 2;

-- Rows are written with numbers that the same transaction has read or given, and
-- calls keep their own reference. To look each up again took a third of the time
-- of writing the rows.
ALTER TABLE cost_rollup DROP CONSTRAINT cost_rollup_target_fkey;
