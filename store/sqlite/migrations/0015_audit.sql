-- Who changed what: a chain of hashes, written with the changes themselves. The
-- package audit says how an entry is hashed.
CREATE TABLE audit (
  seq    INTEGER PRIMARY KEY CHECK (seq > 0), -- without gaps
  at     INTEGER NOT NULL,                    -- µs since the epoch, UTC
  actor  TEXT    NOT NULL CHECK (actor <> ''),
  name   TEXT    NOT NULL,
  action TEXT    NOT NULL CHECK (action <> ''),
  object TEXT    NOT NULL,
  detail TEXT    NOT NULL CHECK (json_valid(detail)),
  prev   BLOB    NOT NULL CHECK (length(prev) = 32),
  hash   BLOB    NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE INDEX audit_object ON audit (object, seq);
