-- Calls of a stage, a supervisor or a strategy, and decisions without a call, are
-- found however few there are.
CREATE INDEX calls_stage      ON calls (stage)      WHERE stage IS NOT NULL;
CREATE INDEX calls_supervisor ON calls (supervisor) WHERE supervisor IS NOT NULL;
CREATE INDEX calls_strategy   ON calls (strategy)   WHERE strategy IS NOT NULL;
CREATE INDEX calls_planned    ON calls (state)      WHERE state = 'planned';
