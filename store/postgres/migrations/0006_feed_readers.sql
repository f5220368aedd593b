-- How far those came who read what is stored in order, and who reads for them.
CREATE TABLE feed_readers (
  reader  text        NOT NULL PRIMARY KEY CHECK (reader <> ''),
  calls   bigint      NOT NULL, -- seq of the last call
  notices bigint      NOT NULL, -- seq of the last notice
  holder  text        NOT NULL, -- '' for nobody
  until   timestamptz NOT NULL
);
