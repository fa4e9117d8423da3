-- Rows of leases.

-- name: leases_locked
-- takes: uuid[]
-- $1 leases, sorted
SELECT l.id, l.due, l.worker::int8
FROM unnest($1) AS wanted (id), LATERAL (SELECT * FROM lease WHERE lease.id = wanted.id FOR UPDATE) AS l;

-- name: leases_due
-- takes: int8 int4
-- The leases of which an item may have lapsed, without those that others look at.
-- $1 clock, $2 most
SELECT id, due, worker::int8 FROM lease WHERE due <= $1 ORDER BY due LIMIT $2 FOR UPDATE SKIP LOCKED;

-- name: leases_first
-- When a lease is to be looked at next; no row without leases.
SELECT due FROM lease ORDER BY due LIMIT 1;

-- name: leases_add
-- takes: uuid[] int8[] int8[] int4[] uuid[]
-- Adds new leases; another of the same id, which a second node has given meanwhile, makes the batch fail.
-- $1 leases, $2 due, $3 workers, $4 how many items each has, $5 items of all of them in turn
INSERT INTO lease (id, due, worker, items)
SELECT u.id, u.due, u.worker, ($5)[u.until - u.items + 1:u.until]
FROM (
    SELECT id, due, worker, items, sum(items) OVER (ORDER BY n)::int4
    FROM unnest($1, $2, $3::int4[], $4) WITH ORDINALITY AS a (id, due, worker, items, n)) AS u (id, due, worker, items, until);

-- name: leases_hold
-- takes: uuid[] int8[] int8[] int4[] uuid[]
-- Notes that leases hold more items than they list, or would again if they were not gone.
-- $1 leases, $2 due, $3 workers, $4 how many items each has, $5 items of all of them in turn
INSERT INTO lease (id, due, worker, items)
SELECT u.id, u.due, u.worker, ($5)[u.until - u.items + 1:u.until]
FROM (
    SELECT id, due, worker, items, sum(items) OVER (ORDER BY n)::int4
    FROM unnest($1, $2, $3::int4[], $4) WITH ORDINALITY AS a (id, due, worker, items, n)) AS u (id, due, worker, items, until)
ON CONFLICT (id) DO UPDATE SET due = least(lease.due, excluded.due),
    items = ARRAY(SELECT unnest(lease.items) UNION SELECT unnest(excluded.items) ORDER BY 1);

-- name: leases_earlier
-- takes: uuid[] int8[]
-- Notes that an item of a lease may lapse before what its row says.
-- $1 leases, sorted, $2 times
UPDATE lease SET due = l.earlier
FROM (
    SELECT l.ctid AS place, u.due AS earlier
    FROM unnest($1, $2) AS u (id, due), LATERAL (SELECT ctid, due FROM lease WHERE lease.id = u.id FOR UPDATE) AS l
    WHERE l.due > u.due OFFSET 0) AS l
WHERE lease.ctid = l.place;

-- name: leases_later
-- takes: uuid[] int8[]
-- Notes when the next item of leases that are locked may lapse.
-- $1 leases, $2 times
UPDATE lease SET due = l.later
FROM (
    SELECT l.ctid AS place, u.due AS later
    FROM unnest($1, $2) AS u (id, due), LATERAL (SELECT ctid FROM lease WHERE lease.id = u.id FOR UPDATE) AS l OFFSET 0) AS l
WHERE lease.ctid = l.place;

-- name: leases_end
-- takes: uuid[]
-- Forgets leases that hold nothing.
-- $1 leases
DELETE FROM lease USING (
    SELECT l.ctid AS place
    FROM unnest($1) AS u (id), LATERAL (SELECT ctid FROM lease WHERE lease.id = u.id FOR UPDATE) AS l OFFSET 0) AS l
WHERE lease.ctid = l.place;

-- name: leases_in_hand
-- How many items each identity has leased.
SELECT w.identity, count(*)
FROM (SELECT * FROM lease WHERE due >= 0 ORDER BY due OFFSET 0) AS l, unnest(l.items) AS held (id),
    LATERAL (SELECT worker FROM work WHERE work.id = held.id AND state = 1 AND work.lease = l.id OFFSET 0) AS i,
    LATERAL (SELECT identity FROM worker WHERE seq = i.worker OFFSET 0) AS w
GROUP BY w.identity;
