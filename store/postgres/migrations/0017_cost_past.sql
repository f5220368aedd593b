-- Sums of days that are over, over all calls or by the values of a dimension, and by
-- targets, or by tasks and strategies: in cost_rollup, an hour rarely sees the same twice. A job
-- makes them, day by day, up to the boundary; calls from before it that are stored
-- later are added with everything else.
CREATE TABLE cost_past (
  unit        text        NOT NULL,                 -- no other than the partitions below, as the dimension
  dimension   text        NOT NULL,
  start       timestamptz NOT NULL,                 -- of the day or month, UTC
  value       text        NOT NULL CHECK ((value = '') = (dimension = '')),
  target      bigint      NOT NULL CHECK ((target = 0) = (unit LIKE '% by task')),
  task        text        NOT NULL CHECK ((task = '') = (unit LIKE '% by target')),
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
CREATE INDEX cost_past_value ON cost_past (unit, dimension, value, start) WHERE dimension <> '';
DO $$
DECLARE
  length text;
  apart text;
  dimension text;
BEGIN
  FOREACH length IN ARRAY ARRAY['day', 'month'] LOOP
    FOREACH apart IN ARRAY ARRAY['target', 'task'] LOOP
      EXECUTE format('CREATE TABLE cost_past_%1$s_%2$s PARTITION OF cost_past FOR VALUES IN (%3$L) PARTITION BY LIST (dimension)', length, apart, length || ' by ' || apart);
      FOREACH dimension IN ARRAY ARRAY['', 'user', 'stage', 'supervisor', 'key', 'team', 'project', 'tag'] LOOP
        EXECUTE format('CREATE TABLE cost_past_%1$s_%2$s_%4$s PARTITION OF cost_past_%1$s_%2$s FOR VALUES IN (%3$L) WITH (fillfactor = %5$s)',
                       length, apart, dimension, CASE dimension WHEN '' THEN 'all' ELSE dimension END, CASE length WHEN 'day' THEN 100 ELSE 70 END); -- those of a month change every day
      END LOOP;
    END LOOP;
  END LOOP;
END $$;

CREATE TABLE cost_past_boundary (
  below timestamptz NOT NULL, -- beginning of a day, UTC; of the year 1: there are none
  one   boolean     NOT NULL PRIMARY KEY DEFAULT true CHECK (one)
);
INSERT INTO cost_past_boundary (below) VALUES ('0001-01-01 00:00Z');
