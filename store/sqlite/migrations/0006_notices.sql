-- What happened and is not about one call: a budget's threshold was crossed, a
-- price is not known.
CREATE TABLE notices (
  seq  INTEGER PRIMARY KEY,
  id   TEXT    NOT NULL UNIQUE CHECK (id <> ''),
  kind TEXT    NOT NULL CHECK (kind <> ''),
  key  TEXT    NOT NULL CHECK (key <> ''),     -- happens once for a kind and key
  at   INTEGER NOT NULL,                       -- µs since the epoch, UTC
  data TEXT    NOT NULL CHECK (json_valid(data)),
  UNIQUE (kind, key)
) STRICT;
CREATE INDEX notices_at ON notices (at);
