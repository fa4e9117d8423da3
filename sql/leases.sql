-- Leases: given to workers, renewed, returned, lapsed.

-- name: lease_next
-- The items to lease next, by the rank of fcgi/store/rank.h. No rank is below 0; the condition on it makes SQLite search the index.
-- ?1 most
SELECT id, chain, remaining, client, rank, since, seq FROM item
WHERE state = 0 AND rank >= 0 ORDER BY rank, seq LIMIT ?1;

-- name: lease_give
-- Leases the first ?3 items that lease_next gives.
-- ?1 lease, ?2 deadline, ?3 how many, ?4 worker, ?5 clock, ?6 wall time
UPDATE item SET state = 1, lease = ?1, deadline = ?2, worker = ?4, granted = remaining, granted_at = ?5,
    granted_wall = ?6, moved = ?5
WHERE seq IN (
    SELECT seq FROM item WHERE state = 0 AND rank >= 0 ORDER BY rank, seq LIMIT ?3);

-- name: lease_hold
-- Notes that a lease holds these items. If its id had others before, it holds none of them any more.
-- ?1 lease, ?2 deadline, ?3 their number, ?4 their seqs, as JSON
INSERT INTO lease (id, due, held, items) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (id) DO UPDATE SET due = excluded.due, held = excluded.held, items = excluded.items;

-- name: lease_hold_again
-- Notes that a lease holds an item that had lapsed.
-- ?1 lease, ?2 deadline, ?3 seq of the item
INSERT INTO lease (id, due, held, items) VALUES (?1, ?2, 1, json_array(?3))
ON CONFLICT (id) DO UPDATE SET due = min(due, excluded.due), held = held + 1, items =
    iif(EXISTS (SELECT 1 FROM json_each(lease.items) WHERE value = ?3), items, json_insert(items, '$[#]', ?3));

-- name: lease_again
-- The items that a lease still holds.
-- ?1 lease
SELECT item.id, chain, remaining, client, rank, since, item.seq
FROM lease CROSS JOIN json_each(lease.items) AS held CROSS JOIN item ON item.seq = held.value
WHERE lease.id = ?1 AND item.state = 1 AND item.lease = ?1;

-- name: lease_of_others
-- How many items a lease holds that were leased by another identity.
-- ?1 lease, ?2 identity
SELECT count(*)
FROM lease CROSS JOIN json_each(lease.items) AS held CROSS JOIN item ON item.seq = held.value
    CROSS JOIN worker ON worker.seq = item.worker
WHERE lease.id = ?1 AND item.state = 1 AND item.lease = ?1 AND worker.identity <> ?2;

-- name: lease_renew
-- Sets a new deadline for the items of a lease that have made progress lately.
-- ?1 lease, ?2 deadline, ?3 clock: since when
UPDATE item SET deadline = ?2
WHERE seq IN (SELECT value FROM lease CROSS JOIN json_each(lease.items) WHERE lease.id = ?1)
    AND state = 1 AND lease = ?1 AND coalesce(moved, ?3) >= ?3;

-- name: lease_due
-- Notes a deadline of an item of a lease that is earlier than was known.
-- ?1 lease, ?2 deadline
UPDATE lease SET due = ?2 WHERE id = ?1 AND due > ?2;

-- name: lease_return
-- Takes back a lease that never reached its worker. Only items with the deadline of that time: those
-- that were renewed, or leased again to the same request, have another one.
-- ?1 lease, ?2 clock, ?3 deadline
UPDATE item SET state = 0, since = ?2, lease = NULL, deadline = NULL
WHERE seq IN (SELECT value FROM lease CROSS JOIN json_each(lease.items) WHERE lease.id = ?1)
    AND state = 1 AND lease = ?1 AND deadline = ?3
RETURNING worker, client;

-- name: lease_first
-- The lease to look at next, when, and the size of its list.
SELECT id, due, length(items) FROM lease WHERE due >= 0 ORDER BY due LIMIT 1;

-- name: lease_deadline
-- When the next item of a lease lapses; NULL when it holds none.
-- ?1 lease
SELECT min(deadline)
FROM lease CROSS JOIN json_each(lease.items) AS held CROSS JOIN item ON item.seq = held.value
WHERE lease.id = ?1 AND item.state = 1 AND item.lease = ?1;

-- name: lapse
-- Lets the items of a lease lapse whose deadline has passed. They wait since the deadline, with a strike
-- each if the lease made no progress. The lease's id stays, so that a late report still counts.
-- ?1 clock, ?2 lease
UPDATE item
SET state = 0, since = deadline, deadline = NULL, strikes = strikes + (remaining = granted)
WHERE seq IN (SELECT value FROM lease CROSS JOIN json_each(lease.items) WHERE lease.id = ?2)
    AND state = 1 AND lease = ?2 AND deadline <= ?1
RETURNING worker, client;

-- name: lease_later
-- Notes when the next item of a lease lapses, and which items it holds by now.
-- ?1 lease, ?2 deadline
UPDATE lease SET due = ?2, (held, items) = (
    SELECT count(*), json_group_array(item.seq)
    FROM json_each(lease.items) AS given CROSS JOIN item ON item.seq = given.value
    WHERE item.state = 1 AND item.lease = ?1)
WHERE id = ?1;

-- name: lease_end
-- Forgets a lease if it holds no more items than these, which it holds no more.
-- ?1 lease, ?2 how many
DELETE FROM lease WHERE id = ?1 AND held <= ?2;

-- name: lease_less
-- Notes that a lease holds so many items less.
-- ?1 lease, ?2 how many
UPDATE lease SET held = held - ?2 WHERE id = ?1;

-- name: in_hand
-- Who has leased each of the leased items.
SELECT worker.identity
FROM lease CROSS JOIN json_each(lease.items) AS held CROSS JOIN item ON item.seq = held.value
    CROSS JOIN worker ON worker.seq = item.worker
WHERE lease.due >= 0 AND item.state = 1 AND item.lease = lease.id;

-- name: leases_senseless
-- Whether an item is leased that its lease does not list or count: it might never lapse.
SELECT EXISTS (SELECT 1 FROM item WHERE state = 1
    AND (lease IS NULL OR (lease, seq) NOT IN (SELECT lease.id, value FROM lease CROSS JOIN json_each(lease.items))))
    OR EXISTS (SELECT 1 FROM lease WHERE held < (
        SELECT count(*) FROM json_each(lease.items) AS given CROSS JOIN item ON item.seq = given.value
        WHERE item.state = 1 AND item.lease = lease.id));
