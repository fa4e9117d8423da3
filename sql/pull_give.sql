-- Marks an item as handed out.
-- ?1 seq, ?2 pull or NULL
UPDATE item SET state = 3, pull = ?2 WHERE seq = ?1;
