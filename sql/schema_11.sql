-- Schema version 11: a lease is a row that lists its items. So an item that is leased, renewed or reported changes its place
-- in fewer indexes.
CREATE TABLE lease (
    seq INTEGER PRIMARY KEY,
    id BLOB NOT NULL                  -- as item.lease has it
        CHECK (length(id) = 16),
    due INTEGER NOT NULL,             -- clock: no item of it lapses before
    held INTEGER NOT NULL             -- it holds no more items than this; with none it goes
        CHECK (held >= 0),
    items TEXT NOT NULL               -- JSON: item.seq of each that it was given; whether it still holds one, the item's
                                      -- state and lease say
) STRICT;

INSERT INTO lease (id, due, held, items)
SELECT lease, min(deadline), count(*), json_group_array(seq) FROM item
WHERE state = 1 AND lease NOTNULL GROUP BY lease;

DROP INDEX item_lease;
DROP INDEX item_deadline;
CREATE UNIQUE INDEX lease_id ON lease (id); -- a lease asked for again
CREATE INDEX lease_due ON lease (due);      -- what lapses next; who holds what
