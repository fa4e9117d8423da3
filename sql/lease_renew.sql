-- Sets an item's deadline anew.
-- ?1 seq, ?2 deadline
UPDATE item SET deadline = ?2 WHERE seq = ?1;
