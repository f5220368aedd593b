-- The gateways on this database, each by its run.
CREATE TABLE cluster_members (
  id      text        NOT NULL PRIMARY KEY CHECK (id <> ''),
  name    text        NOT NULL,
  address text        NOT NULL,
  version text        NOT NULL,
  spool   text        NOT NULL,
  config  text        NOT NULL,
  started timestamptz NOT NULL,
  seen    timestamptz NOT NULL
);

-- Who leads, until when. Each change of the holder begins a term.
CREATE TABLE cluster_lead (
  one    boolean     NOT NULL PRIMARY KEY DEFAULT true CHECK (one),
  holder text        NOT NULL,
  term   bigint      NOT NULL,
  until  timestamptz NOT NULL
);
INSERT INTO cluster_lead (holder, term, until) VALUES ('', 0, '-infinity');

-- The latest run of each job. One that did not end is of a leader that died.
CREATE TABLE cluster_jobs (
  name    text        NOT NULL PRIMARY KEY CHECK (name <> ''),
  term    bigint      NOT NULL,
  began   timestamptz NOT NULL,
  ended   timestamptz,
  failure text        NOT NULL DEFAULT ''
);
