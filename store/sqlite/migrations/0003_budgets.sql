-- Budgets that were created over the API; those of the configuration are not here.
CREATE TABLE budgets (
  name TEXT    NOT NULL PRIMARY KEY CHECK (name <> ''),
  doc  TEXT    NOT NULL CHECK (json_valid(doc))
) STRICT, WITHOUT ROWID;

-- Every override that was put on a budget, with who did and why; the latest of a
-- budget counts until it expires.
CREATE TABLE budget_overrides (
  seq    INTEGER PRIMARY KEY AUTOINCREMENT,
  budget TEXT    NOT NULL CHECK (budget <> ''),
  at     INTEGER NOT NULL,                     -- µs since the epoch, UTC
  doc    TEXT    NOT NULL CHECK (json_valid(doc))
) STRICT;
CREATE INDEX budget_overrides_budget ON budget_overrides (budget, seq);
