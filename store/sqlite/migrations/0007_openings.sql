-- What each budget had spent when it came into force.
CREATE TABLE budget_openings (
  name TEXT NOT NULL PRIMARY KEY CHECK (name <> ''),
  doc  TEXT NOT NULL CHECK (json_valid(doc))
) STRICT, WITHOUT ROWID;
