-- Schema version 8: an item is a client's; and clients share the workers.
CREATE TABLE client (
    seq INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,           -- that of its key; '' for who has none
    weight INTEGER NOT NULL DEFAULT 1    -- its share of the work, as its key said last
        CHECK (weight BETWEEN 1 AND 1000),
    finish INTEGER NOT NULL DEFAULT 0,   -- virtual time at which all that it has enqueued is done
    waiting INTEGER NOT NULL DEFAULT 0,  -- its items in each state
    leased INTEGER NOT NULL DEFAULT 0,
    done INTEGER NOT NULL DEFAULT 0,
    pulled INTEGER NOT NULL DEFAULT 0,
    cancelled INTEGER NOT NULL DEFAULT 0,
    remaining INTEGER NOT NULL DEFAULT 0 -- links still to compute, over waiting and leased ones
) STRICT;

-- All items so far are nobody's. Ranks go on from those of the items that wait.
INSERT INTO client (seq, name, finish, waiting, leased, done, pulled, cancelled, remaining)
SELECT 0, '', coalesce((SELECT max(rank) FROM item WHERE state = 0), clock), waiting, leased, done, pulled,
    cancelled, remaining
FROM tally;

ALTER TABLE item ADD COLUMN client INTEGER NOT NULL DEFAULT 0; -- client.seq

DROP INDEX item_key;
DROP INDEX item_done;
CREATE UNIQUE INDEX item_key ON item (client, key) WHERE key IS NOT NULL;
CREATE INDEX item_done ON item (client, done_at) WHERE state = 2; -- what a client pulls next

ALTER TABLE tally ADD COLUMN virtual INTEGER NOT NULL DEFAULT 0; -- virtual time: the greatest rank leased
ALTER TABLE tally ADD COLUMN top INTEGER NOT NULL DEFAULT 0;     -- virtual time: the greatest finish

UPDATE tally SET virtual = coalesce((SELECT min(rank) FROM item WHERE state = 0), clock),
    top = (SELECT finish FROM client WHERE seq = 0);
