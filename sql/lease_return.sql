-- Takes back a lease that never reached its worker, as it was given then: what was leased again to the
-- same request or renewed since has another deadline. (The plus has the lease looked up by its id:
-- many may have the same deadline.)
-- ?1 lease, ?2 clock, ?3 deadline
UPDATE item SET state = 0, since = ?2, lease = NULL, deadline = NULL
WHERE state = 1 AND lease = ?1 AND +deadline = ?3
RETURNING coalesce(home, -1);
