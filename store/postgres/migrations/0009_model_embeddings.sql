-- The vectors of model records, for searches by likeness: one of each embedder.
-- They can be made anew from the records at any time. Where the extension
-- pgvector is in the database, embeddings.go makes an index for each number of
-- dimensions.
CREATE TABLE model_embeddings (
  embedder   text    NOT NULL CHECK (embedder <> ''), -- the model that made it
  model_id   text    NOT NULL CHECK (model_id <> ''),
  text       bytea   NOT NULL CHECK (length(text) = 32), -- SHA-256 of the text that it is of
  dimensions integer NOT NULL CHECK (dimensions > 0),
  embedding  real[]  NOT NULL CHECK (cardinality(embedding) = dimensions),
  PRIMARY KEY (embedder, model_id)
);
