-- How far those came who read what is stored in order, and who reads for them.
CREATE TABLE feed_readers (
  reader  TEXT    NOT NULL PRIMARY KEY CHECK (reader <> ''),
  calls   INTEGER NOT NULL, -- seq of the last call
  notices INTEGER NOT NULL, -- seq of the last notice
  holder  TEXT    NOT NULL, -- '' for nobody
  until   INTEGER NOT NULL  -- µs since the epoch
) STRICT;
