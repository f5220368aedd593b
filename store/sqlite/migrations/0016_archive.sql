-- How far calls have left for the archive.
CREATE TABLE archive_boundary (
  one    INTEGER NOT NULL PRIMARY KEY DEFAULT 1 CHECK (one = 1),
  below  INTEGER NOT NULL,                          -- calls with lower numbers are gone, or going
  sealed INTEGER NOT NULL CHECK (sealed >= below)   -- no call gets a lower number any more
) STRICT;
INSERT INTO archive_boundary (below, sealed) VALUES (0, 0);

-- Another process may not know of the seal: it is refused, looks, and goes on.
CREATE TRIGGER calls_sealed BEFORE INSERT ON calls
WHEN new.seq < (SELECT sealed FROM archive_boundary)
BEGIN
  SELECT RAISE(ABORT, 'the number is below the seal');
END;
