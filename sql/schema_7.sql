-- Schema version 7: who a worker is, its credential says and not the worker itself; and what it computes must be
-- possible.
ALTER TABLE item ADD COLUMN granted_at INTEGER;   -- clock: when the lease was given
ALTER TABLE item ADD COLUMN granted_wall INTEGER; -- wall: the same
ALTER TABLE item ADD COLUMN moved INTEGER;        -- clock: when it last made progress under its lease

-- One row for each worker that has called.
CREATE TABLE worker_new (
    seq INTEGER PRIMARY KEY,
    identity TEXT NOT NULL,              -- whose credential: a key's name, a machine's, or shared (WORKER_TOKEN)
    machine TEXT NOT NULL,               -- the same when it is a machine's, else ''; of one launched before this
                                         -- version what it said
    name TEXT NOT NULL,                  -- as it says itself; tells the workers of one identity apart
    address TEXT NOT NULL,               -- that its last call came from
    kernel TEXT NOT NULL,                -- what it computes with
    cores INTEGER NOT NULL,              -- threads that compute
    rate INTEGER NOT NULL,               -- iterations a second, as it measured; 0: not yet
    first_seen_wall INTEGER NOT NULL,
    last_seen_wall INTEGER NOT NULL,
    first_seen INTEGER NOT NULL,         -- clock
    last_seen INTEGER NOT NULL,          -- clock
    retired_wall INTEGER                 -- when it said that it retires; NULL: it did not
) STRICT;

INSERT INTO worker_new (seq, identity, machine, name, address, kernel, cores, rate, first_seen_wall,
    last_seen_wall, first_seen, last_seen, retired_wall)
SELECT seq, 'shared', machine, name, address, kernel, cores, rate, first_seen_wall, last_seen_wall, first_seen,
    last_seen, retired_wall
FROM worker;

DROP VIEW IF EXISTS queue; -- made again after this; a view of a missing table stops every ALTER TABLE
DROP VIEW IF EXISTS items;
DROP VIEW IF EXISTS workers;
DROP VIEW IF EXISTS machines;
DROP VIEW IF EXISTS decisions;
DROP VIEW IF EXISTS slowest;
DROP VIEW IF EXISTS throughput;
DROP TABLE worker;
ALTER TABLE worker_new RENAME TO worker;

CREATE UNIQUE INDEX worker_who ON worker (identity, name);
CREATE INDEX worker_machine ON worker (machine);
CREATE INDEX worker_seen ON worker (last_seen);

-- Who reported what cannot be: it gets nothing, and nothing that it reports is taken.
CREATE TABLE quarantine (
    seq INTEGER PRIMARY KEY,
    identity TEXT NOT NULL UNIQUE,       -- as in worker
    wall INTEGER NOT NULL,               -- wall: since when
    why TEXT NOT NULL
) STRICT;
