-- Run once, in the new database: with it, searches for similar models use an index.
CREATE EXTENSION IF NOT EXISTS vector;
