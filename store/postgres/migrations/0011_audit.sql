-- Who changed what: a chain of hashes, written with the changes themselves. The
-- package audit says how an entry is hashed.
CREATE TABLE audit (
  seq    bigint      NOT NULL PRIMARY KEY CHECK (seq > 0), -- without gaps
  at     timestamptz NOT NULL,
  actor  text        NOT NULL CHECK (actor <> ''),
  name   text        NOT NULL,
  action text        NOT NULL CHECK (action <> ''),
  object text        NOT NULL,
  detail json        NOT NULL,
  prev   bytea       NOT NULL CHECK (length(prev) = 32),
  hash   bytea       NOT NULL CHECK (length(hash) = 32)
);
CREATE INDEX audit_object ON audit (object, seq);
