-- Virtual API keys. A key's document holds digests of its secrets, never a secret.
CREATE TABLE api_keys (
  key_id    TEXT    NOT NULL PRIMARY KEY CHECK (key_id <> ''),
  number    INTEGER NOT NULL CHECK (number >= 1),
  change    INTEGER NOT NULL UNIQUE,           -- rises with every write of any key
  key       TEXT    NOT NULL CHECK (json_valid(key)),
  last_used INTEGER NOT NULL DEFAULT 0         -- s since the epoch, UTC; 0: never
) STRICT;
