-- Cancels an item.
-- ?1 seq
UPDATE item SET state = 4, deadline = NULL WHERE seq = ?1;
