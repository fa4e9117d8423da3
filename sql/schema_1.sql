-- Schema version 1. The database is written by one process, the writer of hashmill-fcgi; look at it
-- with `sqlite3 -readonly`. Times called "clock" are milliseconds of the queue clock, which stands
-- still while the node is down; times called "wall" are milliseconds since 1970 and are only shown.

-- One row for each work item, from its enqueue until retention removes it.
CREATE TABLE item (
    seq INTEGER PRIMARY KEY,             -- order of arrival at this node
    id BLOB NOT NULL                     -- UUIDv7; 8 of its random bits are the owner's NODE
        CHECK (length(id) = 16),
    digest BLOB NOT NULL                 -- SHA-512 of the body; never changes
        CHECK (length(digest) = 64),
    chain BLOB NOT NULL                  -- the current link; equals digest at first, the value at last
        CHECK (length(chain) = 64),
    iterations INTEGER NOT NULL          -- as asked for by the client; the first is done at intake
        CHECK (iterations BETWEEN 1 AND 9007199254740991),
    remaining INTEGER NOT NULL           -- links still to compute; only ever goes down
        CHECK (remaining BETWEEN 0 AND iterations - 1),
    state INTEGER NOT NULL               -- 0 waiting, 1 leased, 2 done, 3 pulled, 4 cancelled
        CHECK (state BETWEEN 0 AND 4 AND (state NOT IN (2, 3) OR remaining = 0)),
    rank INTEGER NOT NULL,               -- order of leasing: clock at enqueue + penalty for size
    since INTEGER NOT NULL,              -- clock: waiting since; kept when leased
    strikes INTEGER NOT NULL DEFAULT 0,  -- leases that lapsed without progress
    lease BLOB                           -- id of the current or, while waiting, the lapsed lease
        CHECK (lease IS NULL OR length(lease) = 16),
    deadline INTEGER                     -- clock: when the lease lapses; NULL unless leased
        CHECK ((state = 1) = (deadline IS NOT NULL)),
    granted INTEGER,                     -- remaining when the lease was given
    reporter INTEGER,                    -- worker.seq of the last one that reported on it
    done_at INTEGER,                     -- clock: when it became done
    pull BLOB,                           -- the keyed pull that handed it out: 16 bytes of SHA-256
                                         -- of the key, 2 of top, 1 of order
    key TEXT,                            -- the client's Idempotency-Key of the enqueue
    enqueued_wall INTEGER NOT NULL,      -- wall: when it was enqueued
    done_wall INTEGER                    -- wall: when it became done
) STRICT;

CREATE UNIQUE INDEX item_id ON item (id);
CREATE UNIQUE INDEX item_key ON item (key) WHERE key IS NOT NULL;
CREATE INDEX item_rank ON item (rank) WHERE state = 0;            -- what to lease next
CREATE INDEX item_since ON item (since) WHERE state = 0;          -- the oldest wait
CREATE INDEX item_lease ON item (lease) WHERE state = 1;          -- a lease asked for again
CREATE INDEX item_deadline ON item (deadline) WHERE state = 1;    -- what lapses next
CREATE INDEX item_done ON item (done_at) WHERE state = 2;         -- what to pull next
CREATE INDEX item_pull ON item (pull) WHERE pull IS NOT NULL;     -- a pull asked for again

-- One row for each worker that was ever heard from.
CREATE TABLE worker (
    seq INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,           -- unique per start of a worker
    kernel TEXT NOT NULL,                -- what it computes with
    cores INTEGER NOT NULL,              -- threads that compute
    rate INTEGER NOT NULL,               -- iterations a second, as it measured; 0: not yet
    first_seen_wall INTEGER NOT NULL,
    last_seen_wall INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,          -- clock
    retired_wall INTEGER                 -- when it said that it retires; NULL: it did not
) STRICT;

CREATE INDEX worker_seen ON worker (last_seen);

-- One row: what is saved with each batch so that start-up reads no item.
CREATE TABLE tally (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    clock INTEGER NOT NULL,              -- the queue clock at the last batch
    waiting INTEGER NOT NULL,            -- items in each state
    leased INTEGER NOT NULL,
    done INTEGER NOT NULL,
    pulled INTEGER NOT NULL,
    cancelled INTEGER NOT NULL,
    remaining INTEGER NOT NULL           -- sum of remaining over waiting and leased items
) STRICT;

INSERT INTO tally VALUES (1, 0, 0, 0, 0, 0, 0, 0);
