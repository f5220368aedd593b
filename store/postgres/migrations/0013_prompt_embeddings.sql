-- The vectors of what calls were asked, of a sample of them. A vector leaves with
-- its call; it may come before the call does. Where the extension pgvector is in
-- the database, vectors.go makes an index for each number of dimensions.
CREATE TABLE prompt_embeddings (
  call       uuid        NOT NULL PRIMARY KEY,
  at         timestamptz NOT NULL,                        -- when the call ended, never later
  embedder   text        NOT NULL CHECK (embedder <> ''), -- the model that made it
  dimensions integer     NOT NULL CHECK (dimensions > 0),
  embedding  real[]      NOT NULL CHECK (cardinality(embedding) = dimensions)
);
CREATE INDEX prompt_embeddings_at ON prompt_embeddings (at);
