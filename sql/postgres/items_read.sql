-- Rows of items for a batch. All begin with the columns of an item that all tables have; what is named locked stays as it
-- is until the batch ends. An item moves forward only, from work to done to ended, so whoever looks in this order, a
-- statement each, misses none.

-- name: work_locked
-- takes: uuid[]
-- $1 ids, sorted: whoever locks rows in the same order waits for others, and never they for him
SELECT w.id, w.ctid::text, w.state::int4, w.client::int8, coalesce(w.worker, 0)::int8, w.iterations, w.remaining,
    w.strikes::int4, w.enqueued_wall, w.lease, w.digest, coalesce(w.chain, w.digest),
    w.home::int4, w.rank, w.since, coalesce(w.deadline, 0), coalesce(w.granted, 0), coalesce(w.granted_at, 0),
    coalesce(w.granted_wall, 0), coalesce(w.moved, 0)
FROM unnest($1) AS wanted (id), LATERAL (SELECT ctid, * FROM work WHERE work.id = wanted.id FOR UPDATE) AS w;

-- name: work_seen
-- takes: uuid[]
-- $1 ids
SELECT w.id, w.ctid::text, w.state::int4, w.client::int8, coalesce(w.worker, 0)::int8, w.iterations, w.remaining,
    w.strikes::int4, w.enqueued_wall, w.lease, w.digest, coalesce(w.chain, w.digest),
    w.home::int4, w.rank, w.since, coalesce(w.deadline, 0), coalesce(w.granted, 0), coalesce(w.granted_at, 0),
    coalesce(w.granted_wall, 0), coalesce(w.moved, 0)
FROM unnest($1) AS wanted (id), LATERAL (SELECT ctid, * FROM work WHERE work.id = wanted.id OFFSET 0) AS w;

-- name: work_next
-- takes: int4 int8 uuid int4
-- The items to lease next of a home, without those that others hold.
-- $1 home; only behind $2 rank and $3 id; $4 most. No item below the mark that the caller keeps waits, and dead rows
-- there, which somebody may still see, are many.
SELECT w.id, w.ctid::text, w.state::int4, w.client::int8, coalesce(w.worker, 0)::int8, w.iterations, w.remaining,
    w.strikes::int4, w.enqueued_wall, w.lease, w.digest, coalesce(w.chain, w.digest),
    w.home::int4, w.rank, w.since, coalesce(w.deadline, 0), coalesce(w.granted, 0), coalesce(w.granted_at, 0),
    coalesce(w.granted_wall, 0), coalesce(w.moved, 0)
FROM work AS w WHERE state = 0 AND home = $1::int2 AND (rank, id) > ($2, $3)
ORDER BY rank, id LIMIT $4 FOR UPDATE SKIP LOCKED;

-- name: work_of_leases
-- takes: uuid[]
-- The items that leases hold, locked in the order of their ids.
-- $1 leases
SELECT w.id, w.ctid::text, w.state::int4, w.client::int8, coalesce(w.worker, 0)::int8, w.iterations, w.remaining,
    w.strikes::int4, w.enqueued_wall, w.lease, w.digest, coalesce(w.chain, w.digest),
    w.home::int4, w.rank, w.since, coalesce(w.deadline, 0), coalesce(w.granted, 0), coalesce(w.granted_at, 0),
    coalesce(w.granted_wall, 0), coalesce(w.moved, 0)
FROM (
    SELECT item.id, wanted.id AS lease
    FROM unnest($1) AS wanted (id), LATERAL (SELECT items FROM lease WHERE lease.id = wanted.id OFFSET 0) AS listed,
        unnest(listed.items) AS item (id)
    ORDER BY item.id OFFSET 0) AS held,
    LATERAL (SELECT ctid, * FROM work WHERE work.id = held.id AND work.state = 1 AND work.lease = held.lease FOR UPDATE) AS w;

-- name: done_locked
-- takes: uuid[]
-- $1 ids, sorted
SELECT d.id, d.ctid::text, 2, d.client::int8, coalesce(d.worker, 0)::int8, d.iterations, 0::int8,
    d.strikes::int4, d.enqueued_wall, d.lease, d.digest, d.chain, d.done_at, d.done_wall
FROM unnest($1) AS wanted (id), LATERAL (SELECT ctid, * FROM done WHERE done.id = wanted.id FOR UPDATE) AS d;

-- name: done_seen
-- takes: uuid[]
-- $1 ids
SELECT d.id, d.ctid::text, 2, d.client::int8, coalesce(d.worker, 0)::int8, d.iterations, 0::int8,
    d.strikes::int4, d.enqueued_wall, d.lease, d.digest, d.chain, d.done_at, d.done_wall
FROM unnest($1) AS wanted (id), LATERAL (SELECT ctid, * FROM done WHERE done.id = wanted.id OFFSET 0) AS d;

-- name: done_latest
-- takes: int8 int8 uuid int4
-- The items of a client to pull next, the latest first, without those that others hold.
-- $1 client; only before $2 time and $3 id; $4 most
SELECT d.id, d.ctid::text, 2, d.client::int8, coalesce(d.worker, 0)::int8, d.iterations, 0::int8,
    d.strikes::int4, d.enqueued_wall, d.lease, d.digest, d.chain, d.done_at, d.done_wall
FROM done AS d WHERE client = $1::int4 AND done_at >= 0 AND (done_at, id) < ($2, $3)
ORDER BY done_at DESC, id DESC LIMIT $4 FOR UPDATE SKIP LOCKED;

-- name: done_oldest
-- takes: int8 int8 uuid int4
-- The same, the oldest first.
-- $1 client; only behind $2 time and $3 id; $4 most
SELECT d.id, d.ctid::text, 2, d.client::int8, coalesce(d.worker, 0)::int8, d.iterations, 0::int8,
    d.strikes::int4, d.enqueued_wall, d.lease, d.digest, d.chain, d.done_at, d.done_wall
FROM done AS d WHERE client = $1::int4 AND done_at >= 0 AND (done_at, id) > ($2, $3)
ORDER BY done_at, id LIMIT $4 FOR UPDATE SKIP LOCKED;

-- name: ended_seen
-- takes: uuid[]
-- $1 ids
SELECT e.id, '', e.state::int4, e.client::int8, coalesce(e.worker, 0)::int8, e.iterations, e.remaining,
    e.strikes::int4, e.enqueued_wall, e.lease, e.digest, e.chain, coalesce(e.done_at, 0), coalesce(e.done_wall, 0),
    e.closed, e.pull
FROM unnest($1) AS wanted (id), LATERAL (SELECT * FROM ended WHERE ended.id = wanted.id OFFSET 0) AS e;

-- name: ended_of_pull
-- takes: bytea
-- The items that a pull has handed out.
-- $1 tag
SELECT e.id, '', e.state::int4, e.client::int8, coalesce(e.worker, 0)::int8, e.iterations, e.remaining,
    e.strikes::int4, e.enqueued_wall, e.lease, e.digest, e.chain, coalesce(e.done_at, 0), coalesce(e.done_wall, 0),
    e.closed, e.pull
FROM ended AS e WHERE pull = $1;
