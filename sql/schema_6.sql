-- Schema version 6: an item belongs for ever to the node that its id names, and the other node keeps an exact replica
-- of this database, batch by batch. What two nodes merged before leaves. (store_migrate has seen to it that no
-- item is kept for, or was given to, another node; what of that is closed is only remembered, and goes.)
DROP VIEW IF EXISTS queue; -- made anew behind this; a view of a table that is not there stops every ALTER TABLE
DROP VIEW IF EXISTS items;
DROP VIEW IF EXISTS workers;
DROP VIEW IF EXISTS machines;
DROP VIEW IF EXISTS decisions;
DROP VIEW IF EXISTS slowest;
DROP VIEW IF EXISTS throughput;

CREATE TABLE item_new (
    seq INTEGER PRIMARY KEY,             -- order of arrival
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
    worker INTEGER,                      -- worker.seq of the one that leased or reported it last
    done_at INTEGER,                     -- clock: when it became done
    pull BLOB,                           -- the tag of the pull that handed it out, when it has one
    key TEXT,                            -- the client's Idempotency-Key of the enqueue
    enqueued_wall INTEGER NOT NULL,      -- wall: when it was enqueued
    done_wall INTEGER,                   -- wall: when it became done
    closed INTEGER                       -- clock: when it was handed out or cancelled; NULL: it was not,
                                         -- or is set aside for a pull at the other node
) STRICT;

INSERT INTO item_new (seq, id, digest, chain, iterations, remaining, state, rank, since, strikes, lease,
    deadline, granted, worker, done_at, pull, key, enqueued_wall, done_wall, closed)
SELECT seq, id, digest, chain, iterations, remaining, state, rank, since, strikes, lease,
    deadline, granted, worker, done_at, pull, key, enqueued_wall, done_wall, closed
FROM item WHERE home IS NULL;

DROP TABLE item;
ALTER TABLE item_new RENAME TO item;

CREATE UNIQUE INDEX item_id ON item (id);
CREATE UNIQUE INDEX item_key ON item (key) WHERE key IS NOT NULL;
CREATE INDEX item_rank ON item (rank) WHERE state = 0;            -- what to lease next
CREATE INDEX item_since ON item (since) WHERE state = 0;          -- the oldest wait
CREATE INDEX item_lease ON item (lease) WHERE state = 1;          -- a lease asked for again
CREATE INDEX item_deadline ON item (deadline, worker, state) WHERE state = 1; -- what lapses next; who holds what
CREATE INDEX item_done ON item (done_at) WHERE state = 2;         -- what to pull next
CREATE INDEX item_pull ON item (pull, done_at) WHERE pull IS NOT NULL; -- a pull asked for again
CREATE INDEX item_pulled ON item (closed) WHERE state = 3;        -- what to remove next
CREATE INDEX item_cancelled ON item (closed) WHERE state = 4;

DROP TABLE transfer;
DROP TABLE fault;

-- One row: which database this is. Of two files with one id the one with the higher epoch counts.
CREATE TABLE identity (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id BLOB NOT NULL CHECK (length(id) = 16),
    node INTEGER NOT NULL,               -- NODE of the node that it belongs to; -1: not said yet
    epoch INTEGER NOT NULL,              -- raised when a copy of it takes its place
    backup INTEGER NOT NULL DEFAULT 0,   -- 1: a backup from which no node was started yet
    restored INTEGER                     -- clock: when it was last taken from a copy
) STRICT;

INSERT INTO identity (one, id, node, epoch) VALUES (1, randomblob(16), -1, CAST(strftime('%s', 'now') AS INTEGER));

-- What is known of the other node.
DROP TABLE peer;
CREATE TABLE peer (
    node INTEGER PRIMARY KEY,
    listened INTEGER NOT NULL DEFAULT -1, -- the nonce that its next hello must name to count; -1: there was none
    database BLOB,                       -- the id of its database, as its last hello said; NULL: there was none
    epoch INTEGER NOT NULL DEFAULT 0,    -- the epoch of that; an older one is refused
    incomplete INTEGER                   -- wall: since when its replica of this database lacks what clients
                                         -- were told; NULL: it does not
) STRICT;

-- Pulls that hand out items of both nodes, at the node whose client pulls.
CREATE TABLE pull (
    tag BLOB PRIMARY KEY CHECK (length(tag) = 19), -- random but its last byte: a key may be used again
    key BLOB CHECK (key IS NULL OR length(key) = 19), -- of a key: 16 bytes of SHA-256 of it, 2 of top, 1 of
                                         -- order; NULL: the client cannot ask for it again
    node INTEGER NOT NULL,               -- the other one
    own INTEGER NOT NULL,                -- how many items are this node's,
    wanted INTEGER NOT NULL,             -- how many of the other's were asked for,
    rest INTEGER,                        -- how many it has set aside; NULL while that is not known
    opened INTEGER NOT NULL,             -- clock
    closed INTEGER,                      -- clock: when all of it was known
    settled INTEGER NOT NULL DEFAULT 0   -- 1: the other node knows that it was closed
) STRICT;

CREATE UNIQUE INDEX pull_key ON pull (key) WHERE key IS NOT NULL; -- a pull asked for again
CREATE INDEX pull_open ON pull (opened) WHERE closed IS NULL AND key IS NULL;
CREATE INDEX pull_closed ON pull (closed) WHERE closed IS NOT NULL;

-- Items that are set aside for pulls at the other node: their state is 3 and their closed NULL.
CREATE TABLE reservation (
    tag BLOB PRIMARY KEY CHECK (length(tag) = 19),
    node INTEGER NOT NULL,               -- whose client pulls
    epoch INTEGER NOT NULL,              -- of its database then
    count INTEGER NOT NULL,
    settled INTEGER NOT NULL DEFAULT 0   -- 1: they were handed out; the other node is to be told; 2: it
                                         -- knows
        CHECK (settled BETWEEN 0 AND 2),
    closed INTEGER                       -- clock: when it was known to know; NULL: it does not
        CHECK ((settled = 2) = (closed IS NOT NULL))
) STRICT;

CREATE INDEX reservation_open ON reservation (node) WHERE settled < 2;
CREATE INDEX reservation_closed ON reservation (closed) WHERE closed IS NOT NULL; -- what to forget next

-- The number of each batch, and a check over all batches so far: SHA-256 of the one before, the number and the
-- batch's changes. Zeros: no replica is fed.
ALTER TABLE tally DROP COLUMN change;
ALTER TABLE tally ADD COLUMN batch INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tally ADD COLUMN batch_check BLOB NOT NULL DEFAULT x'0000000000000000000000000000000000000000000000000000000000000000';
ALTER TABLE tally ADD COLUMN wall INTEGER NOT NULL DEFAULT 0; -- wall: when the last batch was

UPDATE tally SET pulled = (SELECT count(*) FROM item WHERE state = 3),
    cancelled = (SELECT count(*) FROM item WHERE state = 4);
