-- Schema version 9: a client finds its items; an operator pauses parts of the node, and what operators do is kept.
CREATE INDEX item_client ON item (client, id); -- a client's items, by age

ALTER TABLE tally ADD COLUMN paused INTEGER NOT NULL DEFAULT 0; -- a bit each: 1 intake, 2 leasing, 4 scaling

CREATE TABLE audit (
    seq INTEGER PRIMARY KEY,
    wall INTEGER NOT NULL,            -- ms of Unix time
    who TEXT NOT NULL,                -- the name of the operator's key; '' for who has none
    what TEXT NOT NULL,               -- pause, resume, release, pull or cancel
    about TEXT NOT NULL,              -- of what: a part of the node, a worker, a client, an item
    items INTEGER NOT NULL DEFAULT 0  -- how many items were pulled or cancelled
) STRICT;
