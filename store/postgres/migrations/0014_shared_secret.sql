-- What gateways on this database prove to each other that they are on it, in
-- places that others may write to, such as a Redis server.
CREATE TABLE shared_secret (
  one    boolean PRIMARY KEY DEFAULT true CHECK (one),
  secret bytea   NOT NULL CHECK (length(secret) = 32)
);
