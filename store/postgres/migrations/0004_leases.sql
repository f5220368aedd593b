-- What was charged is kept by the spool that stored it: a gateway knows its own
-- from what others spent. "" is of before there were several. changed is the
-- number of the last call that the row has: whoever asks for higher ones misses
-- none.
ALTER TABLE budget_spend ADD COLUMN spool text NOT NULL DEFAULT '', ADD COLUMN changed bigint NOT NULL DEFAULT 0;
ALTER TABLE budget_spend DROP CONSTRAINT budget_spend_pkey, ADD PRIMARY KEY (budget, period, spool);
CREATE INDEX budget_spend_changed ON budget_spend (changed);

-- The gateways that share the budgets, by their spools. A gateway whose epoch is
-- not the one here has lost what it held.
CREATE TABLE budget_replicas (
  spool text        NOT NULL PRIMARY KEY CHECK (spool <> ''),
  name  text        NOT NULL,
  epoch bigint      NOT NULL, -- µs
  seen  timestamptz NOT NULL
);

-- How much of each limit a gateway may have spent and held, of its own, in a
-- period (1970 for total and for rolling windows). The sum over all gateways of
-- the larger of this and what is recorded, with the opening, is at most the limit.
CREATE TABLE budget_leases (
  budget   text        NOT NULL CHECK (budget <> ''),
  period   timestamptz NOT NULL,
  spool    text        NOT NULL REFERENCES budget_replicas ON DELETE CASCADE,
  usd      bigint      NOT NULL CHECK (usd >= 0), -- nano-USD
  tokens   bigint      NOT NULL CHECK (tokens >= 0),
  requests bigint      NOT NULL CHECK (requests >= 0),
  asked    timestamptz, -- since when it lacks what others may give back
  answered timestamptz, -- when it last gave back all that it did not use
  PRIMARY KEY (budget, period, spool)
) WITH (fillfactor = 70);
CREATE INDEX budget_leases_spool ON budget_leases (spool);
CREATE INDEX budget_leases_asked ON budget_leases (asked) WHERE asked IS NOT NULL;

-- Rises with every change of budgets, overrides and openings.
CREATE TABLE budget_version (
  one     boolean NOT NULL PRIMARY KEY DEFAULT true CHECK (one),
  version bigint  NOT NULL
);
INSERT INTO budget_version (version) VALUES (1);
CREATE FUNCTION budget_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE budget_version SET version = version + 1;
  RETURN NULL;
END $$;
CREATE TRIGGER budgets_changed   AFTER INSERT OR UPDATE OR DELETE ON budgets          FOR EACH STATEMENT EXECUTE FUNCTION budget_changed();
CREATE TRIGGER overrides_changed AFTER INSERT OR UPDATE OR DELETE ON budget_overrides FOR EACH STATEMENT EXECUTE FUNCTION budget_changed();
CREATE TRIGGER openings_changed  AFTER INSERT OR UPDATE OR DELETE ON budget_openings  FOR EACH STATEMENT EXECUTE FUNCTION budget_changed();
