-- The vectors of what calls were asked, of a sample of them. A vector leaves with
-- its call; it may come before the call does.
CREATE TABLE prompt_embeddings (
  call       BLOB    NOT NULL UNIQUE CHECK (length(call) = 16),
  at         INTEGER NOT NULL,                        -- µs since the epoch: when the call ended, never later
  embedder   TEXT    NOT NULL CHECK (embedder <> ''), -- the model that made it
  dimensions INTEGER NOT NULL CHECK (dimensions > 0),
  embedding  BLOB    NOT NULL CHECK (length(embedding) = 4 * dimensions) -- float32, little-endian
) STRICT;
CREATE INDEX prompt_embeddings_at ON prompt_embeddings (at);
