-- Schema version 4: what peers are told and tell. An item whose home is another node is only kept here, as
-- a copy: it sleeps while its home is heard from.
ALTER TABLE item ADD COLUMN home INTEGER;      -- NODE of the peer whose item it is; NULL: this node's own
ALTER TABLE item ADD COLUMN moves INTEGER NOT NULL DEFAULT 0; -- how often its home changed
ALTER TABLE item ADD COLUMN trial INTEGER NOT NULL DEFAULT 0; -- how often it was begun anew, since two
                                               -- different chains turned up
ALTER TABLE item ADD COLUMN change INTEGER;    -- the batch that changed it last, to be told to the peer;
                                               -- NULL: nothing was ever to be told
ALTER TABLE item ADD COLUMN transfer BLOB;     -- the transfer that gave it to its home
ALTER TABLE item ADD COLUMN handed INTEGER;    -- 1: given away for good by that: pulled here, done for
                                               -- whoever is told of it; else NULL

-- What to lease, hand out and measure waits by is this node's own.
DROP INDEX item_rank;
DROP INDEX item_since;
DROP INDEX item_done;
CREATE INDEX item_rank ON item (rank) WHERE state = 0 AND home IS NULL;   -- what to lease next
CREATE INDEX item_since ON item (since) WHERE state = 0 AND home IS NULL; -- the oldest wait
CREATE INDEX item_done ON item (done_at) WHERE state = 2 AND home IS NULL; -- what to pull next
CREATE INDEX item_kept ON item (home, state, rank) WHERE home IS NOT NULL; -- a peer's: what to lease, to adopt
CREATE INDEX item_change ON item (change) WHERE change IS NOT NULL;       -- what to tell next
CREATE INDEX item_transfer ON item (transfer) WHERE transfer IS NOT NULL; -- a transfer asked for again

-- One row for each peer that was ever heard from or told something.
CREATE TABLE peer (
    node INTEGER PRIMARY KEY,
    heard INTEGER NOT NULL DEFAULT -1,   -- clock: when it answered last; -1: never
    listened INTEGER NOT NULL DEFAULT -1, -- the nonce that its next hello must name to count; -1: there was none
    told INTEGER NOT NULL DEFAULT 0,     -- the last change that it has acknowledged
    kept_waiting INTEGER NOT NULL DEFAULT 0,  -- its items kept here, which tally does not count:
    kept_leased INTEGER NOT NULL DEFAULT 0,   -- waiting, leased, done,
    kept_done INTEGER NOT NULL DEFAULT 0,
    kept_remaining INTEGER NOT NULL DEFAULT 0 -- and the sum of remaining of the first two
) STRICT;

-- Transfers that this node has asked for and that were not answered yet.
CREATE TABLE transfer (
    id BLOB PRIMARY KEY CHECK (length(id) = 16),
    node INTEGER NOT NULL,
    top INTEGER NOT NULL,
    oldest INTEGER NOT NULL
) STRICT;

-- Rights to run one machine more, taken from or given to a peer.
CREATE TABLE loan (
    id BLOB PRIMARY KEY CHECK (length(id) = 16),
    node INTEGER NOT NULL,               -- the peer
    side INTEGER NOT NULL,               -- 0 taken, 1 given
    state INTEGER NOT NULL,              -- 0 wanted, 1 held, 2 recalled
    deadline INTEGER NOT NULL            -- clock: until when it counts
) STRICT;

-- Items of which two different chains turned up for the same remaining; they were begun anew.
CREATE TABLE fault (
    seq INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    remaining INTEGER NOT NULL,
    ours BLOB NOT NULL,                  -- the chain that was here
    theirs BLOB NOT NULL,                -- the one that was told
    node INTEGER NOT NULL,               -- by this peer
    wall INTEGER NOT NULL
) STRICT;

ALTER TABLE tally ADD COLUMN change INTEGER NOT NULL DEFAULT 0; -- the last batch with something to tell
