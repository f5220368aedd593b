-- The registry snapshots that decisions were made over, each once, under the
-- fingerprint of its content. Calls refer to them in the traces behind their plans.
CREATE TABLE fleets (
  id  INTEGER PRIMARY KEY,                     -- 64 bits, as a signed number
  doc BLOB    NOT NULL                         -- compressed JSON
) STRICT;
