-- A report without progress: the item's lease is renewed.
-- ?1 seq, ?2 worker, ?3 deadline
UPDATE item SET state = 1, deadline = ?3, worker = ?2 WHERE seq = ?1;
