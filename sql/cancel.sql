-- Cancels an item.
-- ?1 seq, ?2 clock, ?3 change or 0
UPDATE item SET state = 4, deadline = NULL, closed = ?2, change = iif(?3 > 0, ?3, change)
WHERE seq = ?1;
