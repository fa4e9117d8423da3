-- Leases: given to workers, renewed, returned, lapsed.

-- name: lease_next
-- The items to lease next. No rank is below 0: that condition makes the walk along the index a search.
-- ?1 most
SELECT id, chain, remaining FROM item
WHERE state = 0 AND rank >= 0 ORDER BY rank, seq LIMIT ?1;

-- name: lease_give
-- Leases the items that lease_next has shown, as many of them as are wanted.
-- ?1 lease, ?2 deadline, ?3 how many, ?4 worker
UPDATE item SET state = 1, lease = ?1, deadline = ?2, worker = ?4, granted = remaining
WHERE seq IN (
    SELECT seq FROM item WHERE state = 0 AND rank >= 0 ORDER BY rank, seq LIMIT ?3);

-- name: lease_again
-- What a lease still holds.
-- ?1 lease
SELECT id, chain, remaining FROM item WHERE state = 1 AND lease = ?1 ORDER BY seq;

-- name: lease_renew
-- Sets the deadline of all that a lease holds anew.
-- ?1 lease, ?2 deadline
UPDATE item SET deadline = ?2 WHERE state = 1 AND lease = ?1;

-- name: lease_return
-- Takes back a lease that never reached its worker, as it was given then: what was leased again to the
-- same request or renewed since has another deadline. (The plus has the lease looked up by its id:
-- many may have the same deadline.)
-- ?1 lease, ?2 clock, ?3 deadline
UPDATE item SET state = 0, since = ?2, lease = NULL, deadline = NULL
WHERE state = 1 AND lease = ?1 AND +deadline = ?3;

-- name: lapse
-- Leases whose deadline has passed: their items wait since then, a strike each if nothing came of
-- the lease. The lease's id stays, so that a late report still counts.
-- ?1 clock, ?2 most
UPDATE item
SET state = 0, since = deadline, deadline = NULL, strikes = strikes + (remaining = granted)
WHERE seq IN (SELECT seq FROM item WHERE state = 1 AND deadline <= ?1 ORDER BY deadline LIMIT ?2);

-- name: next_deadline
-- When the next lease lapses; NULL when there is none.
SELECT min(deadline) FROM item WHERE state = 1;
