-- Workers: who they are by their credentials, and what they say of themselves.

-- name: worker_seen
-- takes: text text text text int8 int8 int8 int8
-- Notes a call of a worker that has called before. Gives its number.
-- $1 identity, $2 name, $3 address, $4 kernel, $5 cores, $6 rate, $7 wall time, $8 clock
UPDATE worker SET address = $3, kernel = $4, cores = $5, rate = $6, last_seen_wall = $7, last_seen = $8, retired_wall = NULL
WHERE identity = $1 AND name = $2 RETURNING seq::int8;

-- name: worker_names
-- takes: text
-- How many workers an identity has.
-- $1 identity
SELECT count(*) FROM worker WHERE identity = $1;

-- name: worker_new
-- takes: text text text text int8 int8 int8 int8
-- Notes a call of one that has not called before; another node may just have added it. As worker_seen.
INSERT INTO worker AS w (identity, name, machine, address, kernel, cores, rate, first_seen_wall, last_seen_wall, first_seen, last_seen)
VALUES ($1, $2, '', $3, $4, $5, $6, $7, $7, $8, $8)
ON CONFLICT (identity, name) DO UPDATE SET last_seen_wall = excluded.last_seen_wall, last_seen = excluded.last_seen
RETURNING seq::int8;

-- name: worker_instead
-- takes: text text text text int8 int8 int8 int8
-- The same, in place of the worker of this identity that has been silent longest.
UPDATE worker SET name = $2, address = $3, kernel = $4, cores = $5, rate = $6, first_seen_wall = $7, last_seen_wall = $7,
    first_seen = $8, last_seen = $8, retired_wall = NULL
WHERE seq = (SELECT seq FROM (SELECT seq, last_seen FROM worker WHERE identity = $1 OFFSET 0) AS own ORDER BY last_seen LIMIT 1)
RETURNING seq::int8;

-- name: worker_prune
-- takes: int8 int4
-- Removes workers that were silent for long: they hold nothing any more.
-- $1 clock until which they were, $2 most
DELETE FROM worker USING (
    SELECT ctid AS place FROM worker WHERE last_seen < $1 ORDER BY last_seen LIMIT $2 FOR UPDATE SKIP LOCKED) AS old
WHERE worker.ctid = old.place;

-- name: worker_of_other
-- takes: int8 text
-- Whether a worker calls by another credential. One that was removed does not.
-- $1 seq, $2 identity
SELECT count(*) FROM worker WHERE seq = $1::int4 AND identity <> $2;

-- name: worker_identity
-- takes: int8
-- Whose credential a worker has.
-- $1 seq
SELECT identity FROM worker WHERE seq = $1::int4;

-- name: quarantine_begin
-- takes: text int8 text
-- Puts an identity into quarantine, unless it is there. Gives it when it was not.
-- $1 identity, $2 wall time, $3 why
INSERT INTO quarantine (identity, wall, why) VALUES ($1, $2, $3) ON CONFLICT (identity) DO NOTHING RETURNING identity;

-- name: quarantine_end
-- takes: text
-- Lets an identity out, and gives it when it was in.
-- $1 identity
DELETE FROM quarantine WHERE identity = $1 RETURNING identity;

-- name: quarantine_has
-- takes: text
-- Whether an identity is in quarantine.
-- $1 identity
SELECT count(*) FROM quarantine WHERE identity = $1;
