-- Leases whose deadline has passed: their items wait since then, a strike each if nothing came of
-- the lease. The lease's id stays, so that a late report still counts.
-- ?1 clock, ?2 most
UPDATE item
SET state = 0, since = deadline, deadline = NULL, strikes = strikes + (remaining = granted)
WHERE seq IN (SELECT seq FROM item WHERE state = 1 AND deadline <= ?1 ORDER BY deadline LIMIT ?2)
RETURNING coalesce(home, -1);
