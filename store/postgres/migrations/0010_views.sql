-- What is stored under names that say what it is, for people's own questions.
-- Money is in US dollars, times have their zone. docs/OPERATIONS.md lists them.

CREATE VIEW events AS
  WITH ids AS (
    SELECT c.id::text AS call_id, c.*, t.endpoint, t.model, t.provider FROM calls c JOIN targets t ON t.id = c.target)
  SELECT call_id || '.1' AS event_id, 'model_call.planned' AS type, coalesce(started, ended) AS at, call_id,
         endpoint, model AS model_id, provider, task AS task_type, strategy, user_id, workflow_id AS workflow_run_id,
         stage, session_id, supervisor, key_id, team, project, tags, NULL::json AS data
    FROM ids WHERE started IS NOT NULL OR strategy IS NOT NULL
  UNION ALL
  SELECT call_id || '.2', 'model_call.started', started, call_id, endpoint, model, provider, task, strategy, user_id, workflow_id,
         stage, session_id, supervisor, key_id, team, project, tags, NULL
    FROM ids WHERE started IS NOT NULL
  UNION ALL
  SELECT call_id || '.3', 'model_call.' || state, ended, call_id, endpoint, model, provider, task, strategy, user_id, workflow_id,
         stage, session_id, supervisor, key_id, team, project, tags, NULL
    FROM ids WHERE state <> 'planned'
  UNION ALL
  SELECT id, kind, at, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, data
    FROM notices;

CREATE VIEW cost_events AS
  SELECT r.hour, t.endpoint, t.model AS model_id, t.provider, r.task AS task_type, r.strategy,
         r.calls, r.failed, r.unpriced, r.cost / 1e9 AS cost_usd, r.estimated / 1e9 AS estimated_usd,
         r.input AS input_tokens, r.cached_read AS cached_read_tokens, r.cache_write AS cache_write_tokens,
         r.output AS output_tokens, r.reasoning AS reasoning_tokens
    FROM cost_rollup r JOIN targets t ON t.id = r.target
   WHERE r.dimension = '';

CREATE VIEW budget_tracking AS
  SELECT s.budget, s.period, sum(s.calls)::bigint AS calls, sum(s.cost) / 1e9 AS spent_usd, sum(s.assumed) / 1e9 AS assumed_usd,
         sum(s.tokens)::bigint AS tokens, sum(s.requests)::bigint AS requests,
         (b.doc ->> 'limit_usd')::numeric AS limit_usd, (b.doc ->> 'limit_tokens')::bigint AS limit_tokens, (b.doc ->> 'limit_requests')::bigint AS limit_requests
    FROM budget_spend s LEFT JOIN budgets b ON b.name = split_part(s.budget, '/', 1)
   GROUP BY s.budget, s.period, b.name;

CREATE VIEW usage_analytics AS
  SELECT r.hour, r.dimension, r.value, t.endpoint, t.model AS model_id, t.provider, r.task AS task_type, r.strategy,
         r.calls, r.failed, r.cost / 1e9 AS cost_usd,
         r.input AS input_tokens, r.cached_read AS cached_read_tokens, r.cache_write AS cache_write_tokens,
         r.output AS output_tokens, r.reasoning AS reasoning_tokens,
         r.latency_ms / nullif(r.latency_calls, 0) AS mean_latency_ms, r.ttft_ms / nullif(r.ttft_calls, 0) AS mean_ttft_ms
    FROM cost_rollup r JOIN targets t ON t.id = r.target
   WHERE r.dimension <> '';

CREATE VIEW model_metrics AS
  SELECT r.hour, t.model AS model_id, t.endpoint, t.provider, sum(r.calls)::bigint AS calls, sum(r.failed)::bigint AS failed,
         sum(r.failed) / nullif(sum(r.calls), 0) AS failure_rate,
         sum(r.latency_ms) / nullif(sum(r.latency_calls), 0) AS mean_latency_ms, sum(r.latency_calls)::bigint AS latency_calls,
         sum(r.ttft_ms) / nullif(sum(r.ttft_calls), 0) AS mean_ttft_ms, sum(r.ttft_calls)::bigint AS ttft_calls,
         sum(r.input)::bigint AS input_tokens, sum(r.output)::bigint AS output_tokens, sum(r.cost) / 1e9 AS cost_usd
    FROM cost_rollup r JOIN targets t ON t.id = r.target
   WHERE r.dimension = ''
   GROUP BY r.hour, t.model, t.endpoint, t.provider;

CREATE VIEW model_records AS
  SELECT v.model_id, v.number AS version, v.at AS changed, v.actor, v.action,
         v.record ->> 'provider' AS provider, v.record ->> 'name' AS name, v.record ->> 'canonical_id' AS canonical_id,
         v.record ->> 'family' AS family, v.record ->> 'status' AS status, v.record ->> 'license' AS license,
         (v.record ->> 'parameters_billion')::numeric AS parameters_billion, (v.record ->> 'context_length')::bigint AS context_length,
         (v.record #>> '{cost_profile,input_usd_per_million}')::numeric AS input_usd_per_million,
         (v.record #>> '{cost_profile,output_usd_per_million}')::numeric AS output_usd_per_million,
         v.record
    FROM models m JOIN model_versions v ON v.model_id = m.model_id AND v.number = m.number;

CREATE VIEW model_benchmarks AS
  SELECT v.model_id, v.number AS version, v.at AS changed, q.key AS metric, (q.value ->> 'value')::double precision AS value,
         (q.value ->> 'uncertainty')::double precision AS uncertainty, q.value ->> 'source' AS source, (q.value ->> 'at')::timestamptz AS measured
    FROM model_versions v CROSS JOIN LATERAL json_each(v.record -> 'quality_metrics') q;

CREATE VIEW safety_evaluations AS
  SELECT v.model_id, v.number AS version, v.at AS changed, v.actor, v.record ->> 'safety_risk_level' AS risk_level, v.record ->> 'risk_notes' AS notes
    FROM model_versions v
   WHERE v.record ->> 'safety_risk_level' IS NOT NULL;
