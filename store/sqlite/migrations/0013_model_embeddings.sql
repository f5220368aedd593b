-- The vectors of model records, for searches by likeness: one of each embedder.
-- They can be made anew from the records at any time.
CREATE TABLE model_embeddings (
  embedder   TEXT    NOT NULL CHECK (embedder <> ''), -- the model that made it
  model_id   TEXT    NOT NULL CHECK (model_id <> ''),
  text       BLOB    NOT NULL CHECK (length(text) = 32), -- SHA-256 of the text that it is of
  dimensions INTEGER NOT NULL CHECK (dimensions > 0),
  embedding  BLOB    NOT NULL CHECK (length(embedding) = 4 * dimensions), -- float32, little-endian
  PRIMARY KEY (embedder, model_id)
) STRICT, WITHOUT ROWID;
