-- Schema version 10: what workers report on their way through long chains, what was done in each minute, and when the
-- last backup was made.

-- Links of items that take more than one report. At most 256 an item, about evenly over its chain.
CREATE TABLE point (
    seq INTEGER PRIMARY KEY,
    item INTEGER NOT NULL,            -- item.seq
    remaining INTEGER NOT NULL,       -- links still to compute then
    chain BLOB NOT NULL               -- the link
        CHECK (length(chain) = 64),
    worker INTEGER NOT NULL,          -- worker.seq of the one that computed the links up to here
    at INTEGER NOT NULL               -- clock: when it was reported
) STRICT;
CREATE UNIQUE INDEX point_item ON point (item, remaining);

-- What was done in each minute; after two days in each hour. There is no row of a minute in which the node was down.
CREATE TABLE history (
    at INTEGER PRIMARY KEY,           -- Unix time in seconds: the start of the minute or hour
    width INTEGER NOT NULL            -- seconds: 60 or 3600
        CHECK (width IN (60, 3600)),
    seconds INTEGER NOT NULL,         -- how many of them were counted: fewer around a start
    enqueued INTEGER NOT NULL,        -- items
    done INTEGER NOT NULL,
    pulled INTEGER NOT NULL,
    iterations INTEGER NOT NULL,      -- that workers reported
    refused INTEGER NOT NULL,         -- calls with a credential that was refused
    waiting INTEGER NOT NULL,         -- items, at its end
    oldest_wait INTEGER NOT NULL,     -- ms, the longest that was seen
    workers INTEGER NOT NULL,         -- at its end
    machines INTEGER NOT NULL         -- of this node that are not gone, at its end
) STRICT;

ALTER TABLE tally ADD COLUMN backed_up INTEGER NOT NULL DEFAULT 0; -- wall: when the last backup was made; 0: never
