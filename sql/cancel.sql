-- Cancels an item.
-- ?1 seq, ?2 clock
UPDATE item SET state = 4, deadline = NULL, closed = ?2 WHERE seq = ?1;
