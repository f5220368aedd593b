-- Calls of a stage, a supervisor or a strategy, and decisions without a call, are
-- found however few there are.
CREATE INDEX calls_stage      ON calls (stage, (-seq))      WHERE stage IS NOT NULL;
CREATE INDEX calls_supervisor ON calls (supervisor, (-seq)) WHERE supervisor IS NOT NULL;
CREATE INDEX calls_strategy   ON calls (strategy, (-seq))   WHERE strategy IS NOT NULL;
CREATE INDEX calls_planned    ON calls ((-seq))             WHERE state = 'planned';
CREATE INDEX calls_planned_tags ON calls USING gin (tags) WHERE state = 'planned'; -- the sums have the tags of the others
