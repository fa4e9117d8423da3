-- Leases an item.
-- ?1 seq, ?2 lease, ?3 deadline
UPDATE item SET state = 1, lease = ?2, deadline = ?3, granted = remaining WHERE seq = ?1;
