-- What replicas share of rate limits where there is no Redis. Nothing of it must
-- survive a crash of the server: counters that are gone begin anew, and replicas
-- tell what they admitted.

-- One counter: a limit's name, window and value.
CREATE UNLOGGED TABLE rate_limits (
  counter bytea       NOT NULL PRIMARY KEY,
  state   json        NOT NULL,
  ends    timestamptz NOT NULL -- from when on it counts nothing
) WITH (fillfactor = 50); -- rows that always change stay on their pages

-- Who was there, and when last.
CREATE UNLOGGED TABLE rate_limit_replicas (
  replica text        NOT NULL PRIMARY KEY,
  seen    timestamptz NOT NULL
);
