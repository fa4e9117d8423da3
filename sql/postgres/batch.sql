-- A batch of the writer: who may commit it, and how its session plans.

-- name: batch_plans
-- How statements are planned, whatever statistics say: they are of an empty queue when they are wrong. What is left are
-- indexes, places (ctid) and nested loops.
SELECT set_config('enable_seqscan', 'off', false), set_config('enable_hashjoin', 'off', false),
    set_config('enable_mergejoin', 'off', false), set_config('enable_bitmapscan', 'off', false),
    set_config('plan_cache_mode', 'force_generic_plan', false), set_config('jit', 'off', false);

-- name: node_enter
-- takes: int4
-- Makes the row of a node unless it is there, and raises its epoch: a writer of before is kept out from now on.
-- $1 node
INSERT INTO node AS n (node) VALUES ($1::int2)
ON CONFLICT (node) DO UPDATE SET epoch = n.epoch + 1
RETURNING ctid::text, epoch, batch, waiting, leased, done, pulled, cancelled, remaining, virtual, top;

-- name: node_read
-- takes: int4
-- The row of a node, and waits for whoever is changing it: after a commit whose outcome is unknown.
-- $1 node
SELECT ctid::text, epoch, batch FROM node WHERE node = $1::int2 FOR UPDATE;

-- name: marker_lock
-- takes: text int4 int8 int8
-- Begins a batch: no row when another writer has the node. An index would lead through all versions of the row.
-- $1 place of the row, $2 node, $3 epoch, $4 number of the batch before
SELECT true FROM node WHERE ctid = $1::tid AND node = $2::int2 AND epoch = $3 AND batch = $4 FOR UPDATE;

-- name: marker
-- takes: text int4 int8 int8 int8 int8 int8 int8 int8 int8 int8 int8
-- Ends a batch; fails when another writer has the node. Gives the new place of the row.
-- $1 place of the row, $2 node, $3 epoch, $4 number of the batch; $5 waiting, $6 leased, $7 done, $8 pulled, $9 cancelled,
-- $10 remaining, $11 virtual time, $12 the greatest finish
WITH marked AS (
    UPDATE node SET batch = $4, waiting = $5, leased = $6, done = $7, pulled = $8, cancelled = $9, remaining = $10,
        virtual = $11, top = $12
    WHERE ctid = $1::tid AND node = $2::int2 AND epoch = $3 AND batch = $4 - 1
    RETURNING ctid::text AS place)
SELECT max(place), CASE count(*) WHEN 1 THEN 1 ELSE ('batch refused: another writer has node ' || $2)::int4 END FROM marked;

-- name: clients_new
-- takes: text[]
-- Adds clients that nobody has added.
-- $1 names, sorted
INSERT INTO client (name) SELECT name FROM unnest($1) AS n (name) ON CONFLICT (name) DO NOTHING;

-- name: clients_read
-- takes: text[]
-- The numbers of clients.
-- $1 names
SELECT n.n::int4, c.seq::int8
FROM unnest($1) WITH ORDINALITY AS n (name, n), LATERAL (SELECT seq FROM client WHERE client.name = n.name OFFSET 0) AS c;

-- name: clients_save
-- takes: int4 int4[] int8[] int8[] int8[] int8[] int8[] int8[] int8[] int4[] int8
-- Saves what clients have at a node.
-- $1 node, $2 clients, $3 waiting, $4 leased, $5 done, $6 pulled, $7 cancelled, $8 remaining, $9 finish, $10 weight; $11 clock
INSERT INTO client_node (node, client, waiting, leased, done, pulled, cancelled, remaining, finish, weight, at)
SELECT $1::int2, u.*, $11 FROM unnest($2, $3, $4, $5, $6, $7, $8, $9, $10) AS u
ON CONFLICT (client, node) DO UPDATE SET waiting = excluded.waiting, leased = excluded.leased, done = excluded.done,
    pulled = excluded.pulled, cancelled = excluded.cancelled, remaining = excluded.remaining, finish = excluded.finish,
    weight = excluded.weight, at = excluded.at;

-- name: partitions_ahead
-- takes: int8 int8 int4
-- Makes partitions of ended.
-- $1 clock, $2 milliseconds of each, $3 how many
SELECT ended_ahead($1, $2, $3);

-- name: partitions_drop
-- takes: int8 int4
-- Drops partitions of ended that are older than a moment.
-- $1 clock, $2 most
SELECT ended_drop($1, $2);

-- name: clients_at_node
-- takes: int4 int8 int4
-- Clients, with what each has at a node and what all others together count of it.
-- $1 node; only behind $2 seq; $3 most
SELECT c.seq::int8, c.name, coalesce(n.weight, 0)::int8, coalesce(n.finish, 0), coalesce(n.waiting, 0), coalesce(n.leased, 0),
    coalesce(n.done, 0), coalesce(n.pulled, 0), coalesce(n.cancelled, 0), coalesce(n.remaining, 0),
    o.waiting, o.leased, o.done, o.pulled, o.cancelled, o.remaining
FROM (SELECT seq, name FROM client WHERE seq > $2 ORDER BY seq LIMIT $3) AS c
    LEFT JOIN LATERAL (SELECT * FROM client_node WHERE node = $1::int2 AND client = c.seq OFFSET 0) AS n ON true,
    LATERAL (
        SELECT coalesce(sum(waiting), 0)::int8 AS waiting, coalesce(sum(leased), 0)::int8 AS leased,
            coalesce(sum(done), 0)::int8 AS done, coalesce(sum(pulled), 0)::int8 AS pulled,
            coalesce(sum(cancelled), 0)::int8 AS cancelled, coalesce(sum(remaining), 0)::int8 AS remaining
        FROM client_node WHERE client = c.seq AND node <> $1::int2) AS o
ORDER BY c.seq;

-- name: clients_elsewhere
-- takes: int4 int8
-- What all other nodes together count of the clients of which they have saved something lately.
-- $1 node, $2 clock: saved then or later
SELECT c.client::int8, sum(o.waiting)::int8, sum(o.leased)::int8, sum(o.done)::int8, sum(o.pulled)::int8,
    sum(o.cancelled)::int8, sum(o.remaining)::int8
FROM (SELECT DISTINCT client FROM (SELECT client, node FROM client_node WHERE at >= $2 ORDER BY at OFFSET 0) AS l
    WHERE node <> $1::int2) AS c,
    LATERAL (SELECT * FROM client_node WHERE client = c.client AND node <> $1::int2 OFFSET 0) AS o
GROUP BY c.client;

-- name: nodes_elsewhere
-- takes: int4
-- What all other nodes together count.
-- $1 node
SELECT coalesce(sum(waiting), 0)::int8, coalesce(sum(leased), 0)::int8, coalesce(sum(done), 0)::int8,
    coalesce(sum(pulled), 0)::int8, coalesce(sum(cancelled), 0)::int8, coalesce(sum(remaining), 0)::int8
FROM (SELECT * FROM node WHERE node >= 0 ORDER BY node OFFSET 0) AS n WHERE node <> $1::int2;

-- name: nodes_others
-- takes: int4
-- The other nodes that ever were.
-- $1 node
SELECT node::int4 FROM node WHERE node >= 0 AND node <> $1::int2 ORDER BY node LIMIT 255;
