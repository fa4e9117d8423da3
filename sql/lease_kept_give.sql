-- Leases the items that lease_kept_next has shown, as many of them as are wanted.
-- ?1 lease, ?2 deadline, ?3 how many, ?4 worker, ?5 node
UPDATE item SET state = 1, lease = ?1, deadline = ?2, worker = ?4, granted = remaining
WHERE seq IN (
    SELECT seq FROM item WHERE home = ?5 AND state = 0 ORDER BY rank, seq LIMIT ?3);
