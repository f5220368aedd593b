-- Documents are json, which keeps them as they were written: numbers with all
-- their digits, members in their order. Cast to jsonb to search in them.

-- Every version of every model record that was added, imported, edited or retired.
CREATE TABLE model_versions (
  seq      bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- rises with every write: writers come one at a time
  model_id text        NOT NULL CHECK (model_id <> ''),
  number   integer     NOT NULL CHECK (number >= 1),
  at       timestamptz NOT NULL,
  actor    text        NOT NULL,
  action   text        NOT NULL CHECK (action <> ''),
  record   json        NOT NULL,
  diff     json,
  UNIQUE (model_id, number)
);

-- The latest version of each.
CREATE TABLE models (
  model_id text    NOT NULL PRIMARY KEY,
  number   integer NOT NULL,
  FOREIGN KEY (model_id, number) REFERENCES model_versions (model_id, number)
);

-- Who served calls. Calls and rollups refer to it by number.
CREATE TABLE targets (
  id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  endpoint text   NOT NULL,
  model    text   NOT NULL,
  provider text   NOT NULL,
  UNIQUE (endpoint, model, provider)
);
CREATE INDEX targets_model ON targets (model);

-- One row: the number given to a call last. Who stores calls locks it first and
-- holds it until the end of the transaction. So numbers become visible in their
-- order, and who has read one has missed none below it.
CREATE TABLE call_clock (
  one  boolean NOT NULL PRIMARY KEY DEFAULT true CHECK (one),
  last bigint  NOT NULL
) WITH (fillfactor = 10); -- a row that always changes stays on its page
INSERT INTO call_clock (last) VALUES (0);

-- One row per call that ended (or was only decided: state planned). An id is a
-- UUIDv7, so the months of ids are ranges of it, and the primary key holds
-- across partitions. Partitions are made by partition.go; what has none of its
-- own goes into the default one.
CREATE TABLE calls (
  id          uuid        NOT NULL PRIMARY KEY,
  seq         bigint      NOT NULL CHECK (seq > 0), -- µs since the epoch when it ended, raised where needed to be unique and rising
  started     timestamptz,                          -- when its intent was recorded; NULL if it had none
  ended       timestamptz NOT NULL,
  target      bigint      NOT NULL REFERENCES targets (id),
  state       text        NOT NULL CHECK (state IN ('planned', 'completed', 'failed')),
  task        text        NOT NULL CHECK (task <> ''),
  strategy    text        CHECK (strategy <> ''),   -- NULL: no plan
  user_id     text        CHECK (user_id <> ''),
  workflow_id text        CHECK (workflow_id <> ''),
  stage       text        CHECK (stage <> ''),
  session_id  text        CHECK (session_id <> ''),
  key_id      text        CHECK (key_id <> ''),     -- who paid, as the following
  team        text        CHECK (team <> ''),
  project     text        CHECK (project <> ''),
  supervisor  text        CHECK (supervisor <> ''),
  tags        text[]      CHECK (cardinality(tags) > 0)
) PARTITION BY RANGE (id);
CREATE TABLE calls_default PARTITION OF calls DEFAULT;
CREATE INDEX calls_seq      ON calls (seq);
-- By -seq: who asks for calls of one user orders by that, and no walk over
-- everybody's calls, which a planner may take for the shorter one, gives it.
CREATE INDEX calls_target   ON calls (target, (-seq));
CREATE INDEX calls_failed   ON calls ((-seq))              WHERE state = 'failed';
CREATE INDEX calls_user     ON calls (user_id, (-seq))     WHERE user_id IS NOT NULL;
CREATE INDEX calls_workflow ON calls (workflow_id, (-seq)) WHERE workflow_id IS NOT NULL;
CREATE INDEX calls_session  ON calls (session_id, (-seq))  WHERE session_id IS NOT NULL;
CREATE INDEX calls_key      ON calls (key_id, (-seq))      WHERE key_id IS NOT NULL;
CREATE INDEX calls_team     ON calls (team, (-seq))        WHERE team IS NOT NULL;
CREATE INDEX calls_project  ON calls (project, (-seq))     WHERE project IS NOT NULL;

-- Their documents, compressed together: a block holds the calls from seq to
-- last. See store/batch for the format. Measured on two cores in batches of
-- 1000 calls with 16 candidates each, this takes 10 µs and 800 bytes a call;
-- a compressed document for each call 21 µs and 2400 bytes, json 57 µs and 2100
-- bytes, jsonb 228 µs and 2900 bytes. What is asked often has a column or a
-- rollup; the documents are for people and replays.
CREATE TABLE call_blocks (
  seq     bigint      NOT NULL PRIMARY KEY CHECK (seq > 0),
  last    bigint      NOT NULL CHECK (last >= seq),
  oldest  timestamptz NOT NULL,                     -- ended first
  newest  timestamptz NOT NULL CHECK (newest >= oldest),
  records bytea       NOT NULL,
  plans   bytea       NOT NULL
) PARTITION BY RANGE (seq);
ALTER TABLE call_blocks ALTER records SET STORAGE EXTERNAL, ALTER plans SET STORAGE EXTERNAL; -- compressed already
CREATE TABLE call_blocks_default PARTITION OF call_blocks DEFAULT;

-- Sums per hour: over all calls (dimension ''), and over those that have a
-- user, a workflow run, a stage. A dimension is a partition, because a question
-- is about one or two of them, and those of users and runs are large.
CREATE TABLE cost_rollup (
  dimension   text        NOT NULL,                 -- no other than the partitions below
  hour        timestamptz NOT NULL,                 -- its beginning
  value       text        NOT NULL CHECK ((value = '') = (dimension = '')),
  target      bigint      NOT NULL REFERENCES targets (id),
  task        text        NOT NULL,
  strategy    text        NOT NULL,
  calls       bigint      NOT NULL CHECK (calls >= 0), -- that ended here; 0 where one was only billed before it fell back
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
  PRIMARY KEY (dimension, hour, value, target, task, strategy)
) PARTITION BY LIST (dimension);
CREATE TABLE cost_rollup_all        PARTITION OF cost_rollup FOR VALUES IN ('')           WITH (fillfactor = 70); -- rows of the hour at hand
CREATE TABLE cost_rollup_user       PARTITION OF cost_rollup FOR VALUES IN ('user')       WITH (fillfactor = 70); -- change all the time
CREATE TABLE cost_rollup_workflow   PARTITION OF cost_rollup FOR VALUES IN ('workflow')   WITH (fillfactor = 70);
CREATE TABLE cost_rollup_stage      PARTITION OF cost_rollup FOR VALUES IN ('stage')      WITH (fillfactor = 70);
CREATE TABLE cost_rollup_supervisor PARTITION OF cost_rollup FOR VALUES IN ('supervisor') WITH (fillfactor = 70);
CREATE TABLE cost_rollup_key        PARTITION OF cost_rollup FOR VALUES IN ('key')        WITH (fillfactor = 70);
CREATE TABLE cost_rollup_team       PARTITION OF cost_rollup FOR VALUES IN ('team')       WITH (fillfactor = 70);
CREATE TABLE cost_rollup_project    PARTITION OF cost_rollup FOR VALUES IN ('project')    WITH (fillfactor = 70);
CREATE TABLE cost_rollup_tag        PARTITION OF cost_rollup FOR VALUES IN ('tag')        WITH (fillfactor = 70);

-- What each model cost each day (UTC), from the rollups.
CREATE VIEW model_daily_costs AS
  SELECT t.model AS model_id, (r.hour AT TIME ZONE 'UTC')::date AS day,
         sum(r.calls)::bigint AS calls, sum(r.failed)::bigint AS failed, sum(r.unpriced)::bigint AS unpriced,
         sum(r.cost) / 1e9 AS cost_usd, sum(r.cost)::bigint AS cost_nano_usd,
         sum(r.input)::bigint AS input_tokens, sum(r.cached_read)::bigint AS cached_read_tokens, sum(r.cache_write)::bigint AS cache_write_tokens,
         sum(r.output)::bigint AS output_tokens, sum(r.reasoning)::bigint AS reasoning_tokens
    FROM cost_rollup r JOIN targets t ON t.id = r.target
   WHERE r.dimension = ''
   GROUP BY 1, 2;

-- What calls were charged to budgets, by the start of the period (or of the
-- bucket of a rolling one). Written with the calls themselves.
CREATE TABLE budget_spend (
  budget   text        NOT NULL CHECK (budget <> ''),
  period   timestamptz NOT NULL,
  calls    bigint      NOT NULL CHECK (calls > 0),
  cost     bigint      NOT NULL CHECK (cost >= 0),  -- nano-USD
  assumed  bigint      NOT NULL CHECK (assumed BETWEEN 0 AND cost), -- of it, held by calls whose cost nobody knows
  tokens   bigint      NOT NULL CHECK (tokens >= 0),
  requests bigint      NOT NULL CHECK (requests >= 0),
  PRIMARY KEY (budget, period)
) WITH (fillfactor = 70);

-- How far each event spool has been read; written with the calls themselves.
CREATE TABLE spool_position (
  spool    text   NOT NULL PRIMARY KEY CHECK (spool <> ''),
  segment  bigint NOT NULL CHECK (segment >= 0),
  "offset" bigint NOT NULL CHECK ("offset" >= 0)
);

-- Budgets that were created over the API; those of the configuration are not here.
CREATE TABLE budgets (
  name text NOT NULL PRIMARY KEY CHECK (name <> ''),
  doc  json NOT NULL
);

-- What each budget had spent when it came into force.
CREATE TABLE budget_openings (
  name text NOT NULL PRIMARY KEY CHECK (name <> ''),
  doc  json NOT NULL
);

-- Every override that was put on a budget, with who did and why; the latest of a
-- budget counts until it expires.
CREATE TABLE budget_overrides (
  seq    bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  budget text        NOT NULL CHECK (budget <> ''),
  at     timestamptz NOT NULL,
  doc    json        NOT NULL
);
CREATE INDEX budget_overrides_budget ON budget_overrides (budget, seq);

-- Virtual API keys. A key's document holds digests of its secrets, never a secret.
CREATE TABLE api_keys (
  key_id    text        NOT NULL PRIMARY KEY CHECK (key_id <> ''),
  number    integer     NOT NULL CHECK (number >= 1),
  change    bigint      NOT NULL UNIQUE,            -- rises with every write of any key
  key       json        NOT NULL,
  last_used timestamptz                             -- whole seconds; NULL: never
);

-- The registry snapshots that decisions were made over, each once, under the
-- fingerprint of its content. Calls refer to them in the traces behind their plans.
CREATE TABLE fleets (
  id  bigint NOT NULL PRIMARY KEY,                  -- 64 bits, as a signed number
  doc bytea  NOT NULL                               -- compressed JSON
);
ALTER TABLE fleets ALTER doc SET STORAGE EXTERNAL;

-- What happened and is not about one call: a budget's threshold was crossed, a
-- price is not known.
CREATE TABLE notices (
  seq  bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id   text        NOT NULL UNIQUE CHECK (id <> ''),
  kind text        NOT NULL CHECK (kind <> ''),
  key  text        NOT NULL CHECK (key <> ''),      -- happens once for a kind and key
  at   timestamptz NOT NULL,
  data json        NOT NULL,
  UNIQUE (kind, key)
);
CREATE INDEX notices_at ON notices (at, seq);
