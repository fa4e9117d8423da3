-- Leases: given to workers, renewed, returned, lapsed.

-- name: lease_next
-- The items to lease next, by the rank of fcgi/store/rank.h. No rank is below 0; the condition on it makes SQLite search the index.
-- ?1 most
SELECT id, chain, remaining, client, rank, since FROM item
WHERE state = 0 AND rank >= 0 ORDER BY rank, seq LIMIT ?1;

-- name: lease_give
-- Leases the first ?3 items that lease_next gives.
-- ?1 lease, ?2 deadline, ?3 how many, ?4 worker, ?5 clock, ?6 wall time
UPDATE item SET state = 1, lease = ?1, deadline = ?2, worker = ?4, granted = remaining, granted_at = ?5,
    granted_wall = ?6, moved = ?5
WHERE seq IN (
    SELECT seq FROM item WHERE state = 0 AND rank >= 0 ORDER BY rank, seq LIMIT ?3);

-- name: lease_again
-- The items that a lease still holds.
-- ?1 lease
SELECT id, chain, remaining, client, rank, since FROM item WHERE state = 1 AND lease = ?1 ORDER BY seq;

-- name: lease_of_others
-- How many items a lease holds that were leased by another identity.
-- ?1 lease, ?2 identity
SELECT count(*) FROM item JOIN worker ON worker.seq = item.worker
WHERE item.state = 1 AND item.lease = ?1 AND worker.identity <> ?2;

-- name: lease_renew
-- Sets a new deadline for the items of a lease that have made progress lately.
-- ?1 lease, ?2 deadline, ?3 clock: since when
UPDATE item SET deadline = ?2 WHERE state = 1 AND lease = ?1 AND coalesce(moved, ?3) >= ?3;

-- name: lease_return
-- Takes back a lease that never reached its worker. Only items with the deadline of that time: those
-- that were renewed, or leased again to the same request, have another one. (The plus makes SQLite
-- look the lease up by its id, as many items may have the same deadline.)
-- ?1 lease, ?2 clock, ?3 deadline
UPDATE item SET state = 0, since = ?2, lease = NULL, deadline = NULL
WHERE state = 1 AND lease = ?1 AND +deadline = ?3
RETURNING worker, client;

-- name: lapse
-- Lets leases lapse whose deadline has passed. Their items wait since the deadline, with a strike
-- each if the lease made no progress. The lease's id stays, so that a late report still counts.
-- ?1 clock, ?2 most
UPDATE item
SET state = 0, since = deadline, deadline = NULL, strikes = strikes + (remaining = granted)
WHERE seq IN (SELECT seq FROM item WHERE state = 1 AND deadline <= ?1 ORDER BY deadline LIMIT ?2)
RETURNING worker, client;

-- name: in_hand
-- Who has leased each of the leased items.
SELECT worker.identity FROM item CROSS JOIN worker ON worker.seq = item.worker
WHERE item.state = 1 AND item.deadline >= 0;

-- name: next_deadline
-- When the next lease lapses; NULL when there is none.
SELECT min(deadline) FROM item WHERE state = 1;
