-- Marks an item as handed out.
-- ?1 seq, ?2 pull or NULL, ?3 clock
UPDATE item SET state = 3, pull = ?2, closed = ?3 WHERE seq = ?1;
