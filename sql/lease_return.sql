-- Takes back a lease that never reached its worker.
-- ?1 lease, ?2 clock
UPDATE item SET state = 0, since = ?2, lease = NULL, deadline = NULL
WHERE state = 1 AND lease = ?1;
