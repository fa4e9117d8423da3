-- Schema version 2: items that were pulled or cancelled leave after some days. What was so already
-- counts as of now. What a keyed pull has handed out is found in the order in which it was.
ALTER TABLE item ADD COLUMN closed INTEGER; -- clock: when it was pulled or cancelled; else NULL

UPDATE item SET closed = (SELECT clock FROM tally WHERE one = 1) WHERE state IN (3, 4);

CREATE INDEX item_pulled ON item (closed) WHERE state = 3;        -- what to remove next
CREATE INDEX item_cancelled ON item (closed) WHERE state = 4;

DROP INDEX item_pull;
CREATE INDEX item_pull ON item (pull, done_at) WHERE pull IS NOT NULL; -- a pull asked for again
