-- Leases an item.
-- ?1 seq, ?2 lease, ?3 deadline, ?4 worker
UPDATE item SET state = 1, lease = ?2, deadline = ?3, worker = ?4, granted = remaining WHERE seq = ?1;
