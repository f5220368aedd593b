-- Sums of each unit and dimension lie together: those of the months of 65,000
-- workflow runs were read from five times as many pages, beside those of days and
-- of users.
ALTER TABLE cost_sums RENAME TO cost_sums_before;
ALTER INDEX cost_sums_pkey RENAME TO cost_sums_before_pkey;
ALTER INDEX cost_sums_value RENAME TO cost_sums_before_value;

CREATE TABLE cost_sums (
  unit        text        NOT NULL CHECK (unit IN ('hour', 'day', 'month')),
  dimension   text        NOT NULL,                 -- no other than the partitions below
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
) PARTITION BY LIST (unit);
CREATE INDEX cost_sums_value ON cost_sums (unit, dimension, value, start) WHERE dimension <> '';
CREATE TABLE cost_sums_hour PARTITION OF cost_sums FOR VALUES IN ('hour') WITH (fillfactor = 70); -- rows of the piece at hand
CREATE TABLE cost_sums_day   PARTITION OF cost_sums FOR VALUES IN ('day')   PARTITION BY LIST (dimension); -- change all the time
CREATE TABLE cost_sums_month PARTITION OF cost_sums FOR VALUES IN ('month') PARTITION BY LIST (dimension);
CREATE TABLE cost_sums_day_all PARTITION OF cost_sums_day FOR VALUES IN ('') WITH (fillfactor = 70);
DO $$
DECLARE
  unit text;
  dimension text;
BEGIN
  FOREACH unit IN ARRAY ARRAY['day', 'month'] LOOP
    FOREACH dimension IN ARRAY ARRAY['user', 'workflow', 'stage', 'supervisor', 'key', 'team', 'project', 'tag'] LOOP
      EXECUTE format('CREATE TABLE cost_sums_%1$s_%2$s PARTITION OF cost_sums_%1$s FOR VALUES IN (%2$L) WITH (fillfactor = 70)', unit, dimension);
    END LOOP;
  END LOOP;
END $$;

INSERT INTO cost_sums SELECT * FROM cost_sums_before;
ANALYZE cost_sums; -- without statistics, plans are made for a few rows

-- Who was allowed to read or write it, is.
DO $$
DECLARE
  g record;
BEGIN
  FOR g IN SELECT p.privilege_type AS may, CASE p.grantee WHEN 0 THEN 'PUBLIC' ELSE p.grantee::regrole::text END AS who, p.is_grantable
             FROM pg_class c, aclexplode(c.relacl) p WHERE c.oid = 'cost_sums_before'::regclass AND p.grantee <> c.relowner LOOP
    EXECUTE format('GRANT %s ON cost_sums TO %s', g.may, g.who) || CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END;
  END LOOP;
END $$;

-- What each model cost each day (UTC). Replaced, so that what others have made of
-- it, and who may read it, stays.
CREATE OR REPLACE VIEW model_daily_costs AS
  SELECT t.model AS model_id, (r.start AT TIME ZONE 'UTC')::date AS day,
         sum(r.calls)::bigint AS calls, sum(r.failed)::bigint AS failed, sum(r.unpriced)::bigint AS unpriced,
         sum(r.cost) / 1e9 AS cost_usd, sum(r.cost)::bigint AS cost_nano_usd,
         sum(r.input)::bigint AS input_tokens, sum(r.cached_read)::bigint AS cached_read_tokens, sum(r.cache_write)::bigint AS cache_write_tokens,
         sum(r.output)::bigint AS output_tokens, sum(r.reasoning)::bigint AS reasoning_tokens
    FROM cost_sums r JOIN targets t ON t.id = r.target
   WHERE r.unit = 'day' AND r.dimension = ''
   GROUP BY 1, 2;
DROP TABLE cost_sums_before;

-- Adds bigints up in a bigint. What sum does, in numeric, took more time than all
-- the rest of a question about costs.
CREATE AGGREGATE sum_bigint (bigint) (SFUNC = int8pl, STYPE = bigint, INITCOND = '0', COMBINEFUNC = int8pl, PARALLEL = SAFE);
