-- How far calls have left for the archive: those with lower numbers are gone, or
-- going. That no call gets a lower number any more, call_clock sees to.
CREATE TABLE archive_boundary (
  one   boolean NOT NULL PRIMARY KEY DEFAULT true CHECK (one),
  below bigint  NOT NULL
);
INSERT INTO archive_boundary (below) VALUES (0);
