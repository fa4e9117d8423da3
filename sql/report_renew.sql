-- A report without progress: the item's lease is renewed.
-- ?1 seq, ?2 reporter, ?3 deadline
UPDATE item SET state = 1, deadline = ?3, reporter = ?2 WHERE seq = ?1;
