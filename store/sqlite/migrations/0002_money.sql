-- Who paid for a call.
ALTER TABLE calls ADD COLUMN key_id     TEXT CHECK (key_id <> '');
ALTER TABLE calls ADD COLUMN team       TEXT CHECK (team <> '');
ALTER TABLE calls ADD COLUMN project    TEXT CHECK (project <> '');
ALTER TABLE calls ADD COLUMN supervisor TEXT CHECK (supervisor <> '');
ALTER TABLE calls ADD COLUMN tags       TEXT CHECK (json_valid(tags)); -- an array
CREATE INDEX calls_key     ON calls (key_id)  WHERE key_id IS NOT NULL;
CREATE INDEX calls_team    ON calls (team)    WHERE team IS NOT NULL;
CREATE INDEX calls_project ON calls (project) WHERE project IS NOT NULL;

-- The rollups by more dimensions. A CHECK cannot be altered: the table is made anew.
ALTER TABLE cost_rollup RENAME TO cost_rollup_1;
CREATE TABLE cost_rollup (
  dimension   TEXT    NOT NULL CHECK (dimension IN ('', 'user', 'workflow', 'stage', 'supervisor', 'key', 'team', 'project', 'tag')),
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
INSERT INTO cost_rollup SELECT * FROM cost_rollup_1;
DROP TABLE cost_rollup_1;

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

-- What calls were charged to budgets, by the start of the period (or of the
-- bucket of a rolling one). Written with the calls themselves.
CREATE TABLE budget_spend (
  budget   TEXT    NOT NULL CHECK (budget <> ''),
  period   INTEGER NOT NULL,                   -- µs since the epoch, UTC
  calls    INTEGER NOT NULL CHECK (calls > 0),
  cost     INTEGER NOT NULL CHECK (cost >= 0), -- nano-USD
  assumed  INTEGER NOT NULL CHECK (assumed BETWEEN 0 AND cost), -- of it, held by calls whose cost nobody knows
  tokens   INTEGER NOT NULL CHECK (tokens >= 0),
  requests INTEGER NOT NULL CHECK (requests >= 0),
  PRIMARY KEY (budget, period)
) STRICT, WITHOUT ROWID;
