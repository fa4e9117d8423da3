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
-- takes: int4 int4[] int8[] int8[] int8[] int8[] int8[] int8[] int8[] int4[]
-- Saves what clients have at a node.
-- $1 node, $2 clients, $3 waiting, $4 leased, $5 done, $6 pulled, $7 cancelled, $8 remaining, $9 finish, $10 weight
INSERT INTO client_node (node, client, waiting, leased, done, pulled, cancelled, remaining, finish, weight)
SELECT $1::int2, u.* FROM unnest($2, $3, $4, $5, $6, $7, $8, $9, $10) AS u
ON CONFLICT (node, client) DO UPDATE SET waiting = excluded.waiting, leased = excluded.leased, done = excluded.done,
    pulled = excluded.pulled, cancelled = excluded.cancelled, remaining = excluded.remaining, finish = excluded.finish,
    weight = excluded.weight;

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
