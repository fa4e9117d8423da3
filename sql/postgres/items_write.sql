-- What a batch changes of items. Each fails when it does not find all rows that it is to change.

-- name: work_add
-- takes: uuid[] int8[] int8[] int8[] int8[] int8[] int8[] int4[] int4[] int4[] int8[] int8[] int8[] int8[] int8[] int8[] uuid[] bytea[] bytea[]
-- $1 ids, $2 iterations, $3 remaining, $4 rank, $5 since, $6 enqueued_wall, $7 client, $8 state, $9 home, $10 strikes;
-- NULL or: $11 worker, $12 deadline, $13 granted, $14 granted_at, $15 granted_wall, $16 moved, $17 lease; $18 digest,
-- $19 chain or NULL
INSERT INTO work (id, iterations, remaining, rank, since, enqueued_wall, client, state, home, strikes, worker, deadline,
    granted, granted_at, granted_wall, moved, lease, digest, chain)
SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7::int4[], $8::int2[], $9::int2[], $10::int2[], $11::int4[], $12, $13, $14,
    $15, $16, $17, $18, $19);

-- name: work_change
-- takes: text[] int8[] int8[] int4[] int4[] int8[] int8[] int8[] int8[] int8[] int8[] uuid[] bytea[]
-- $1 places, $2 remaining, $3 since, $4 state, $5 strikes; NULL or: $6 worker, $7 deadline, $8 granted, $9 granted_at,
-- $10 granted_wall, $11 moved, $12 lease; $13 chain or NULL
WITH changed AS (
    UPDATE work AS w SET remaining = u.remaining, since = u.since, state = u.state, strikes = u.strikes, worker = u.worker,
        deadline = u.deadline, granted = u.granted, granted_at = u.granted_at, granted_wall = u.granted_wall,
        moved = u.moved, lease = u.lease, chain = u.chain
    FROM unnest($1::tid[], $2, $3, $4::int2[], $5::int2[], $6::int4[], $7, $8, $9, $10, $11, $12, $13)
        AS u (place, remaining, since, state, strikes, worker, deadline, granted, granted_at, granted_wall, moved, lease, chain)
    WHERE w.ctid = u.place
    RETURNING 1)
SELECT CASE count(*) WHEN cardinality($1) THEN 0 ELSE ('rows of work changed: ' || count(*))::int4 END FROM changed;

-- name: work_take
-- takes: text[]
-- $1 places
WITH taken AS (DELETE FROM work USING unnest($1::tid[]) AS u (place) WHERE work.ctid = u.place RETURNING 1)
SELECT CASE count(*) WHEN cardinality($1) THEN 0 ELSE ('rows of work taken: ' || count(*))::int4 END FROM taken;

-- name: done_add
-- takes: uuid[] int8[] int8[] int8[] int8[] int8[] int4[] int8[] uuid[] bytea[] bytea[]
-- $1 ids, $2 iterations, $3 done_at, $4 done_wall, $5 enqueued_wall, $6 client, $7 strikes; NULL or: $8 worker, $9 lease;
-- $10 digest, $11 value
INSERT INTO done (id, iterations, done_at, done_wall, enqueued_wall, client, strikes, worker, lease, digest, chain)
SELECT * FROM unnest($1, $2, $3, $4, $5, $6::int4[], $7::int2[], $8::int4[], $9, $10, $11);

-- name: done_take
-- takes: text[]
-- $1 places
WITH taken AS (DELETE FROM done USING unnest($1::tid[]) AS u (place) WHERE done.ctid = u.place RETURNING 1)
SELECT CASE count(*) WHEN cardinality($1) THEN 0 ELSE ('rows of done taken: ' || count(*))::int4 END FROM taken;

-- name: ended_add
-- takes: uuid[] int8[] int8[] int8[] int8[] int8[] int4[] int4[] int8[] int8[] int8[] uuid[] bytea[] bytea[] bytea[]
-- $1 ids, $2 closed, $3 iterations, $4 remaining, $5 enqueued_wall, $6 client, $7 state, $8 strikes; NULL or: $9 worker,
-- $10 done_at, $11 done_wall, $12 lease, $13 pull; $14 digest, $15 chain
INSERT INTO ended (id, closed, iterations, remaining, enqueued_wall, client, state, strikes, worker, done_at, done_wall,
    lease, pull, digest, chain)
SELECT * FROM unnest($1, $2, $3, $4, $5, $6::int4[], $7::int2[], $8::int2[], $9::int4[], $10, $11, $12, $13, $14, $15);
