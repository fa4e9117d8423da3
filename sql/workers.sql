-- Workers: who they are by their credentials, and what they say of themselves.

-- name: worker_seen
-- Notes a call of a worker that has called before. Gives its seq, and 1 when its machine is leaving or gone.
-- ?1 identity, ?2 machine of a new one, ?3 name, ?4 address, ?5 kernel, ?6 cores, ?7 rate, ?8 wall time, ?9 clock
UPDATE worker
SET address = ?4, kernel = ?5, cores = ?6, rate = ?7, last_seen_wall = ?8, last_seen = ?9,
    retired_wall = NULL
WHERE identity = ?1 AND name = ?3
RETURNING seq, machine <> '' AND EXISTS (SELECT 1 FROM machine WHERE machine.name = worker.machine AND state >= 2);

-- name: worker_new
-- The same of one that has not.
INSERT INTO worker (identity, machine, name, address, kernel, cores, rate, first_seen_wall,
    last_seen_wall, first_seen, last_seen)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?9, ?9)
RETURNING seq, 0;

-- name: worker_instead
-- The same, in place of the worker of this identity that has been silent longest.
UPDATE worker
SET machine = ?2, name = ?3, address = ?4, kernel = ?5, cores = ?6, rate = ?7, first_seen_wall = ?8, last_seen_wall = ?8,
    first_seen = ?9, last_seen = ?9, retired_wall = NULL
WHERE seq = (SELECT seq FROM (SELECT seq, min(last_seen) FROM worker WHERE identity = ?1))
RETURNING seq, 0;

-- name: worker_names
-- How many workers an identity has.
-- ?1 identity
SELECT count(*) FROM worker WHERE identity = ?1;

-- name: worker_prune
-- Removes workers that were silent for long: they hold nothing any more.
-- ?1 clock until which they were, ?2 most
DELETE FROM worker WHERE seq IN (SELECT seq FROM worker WHERE last_seen < ?1 ORDER BY last_seen LIMIT ?2);

-- name: worker_identity
-- Whose credential a worker has.
-- ?1 seq
SELECT identity FROM worker WHERE seq = ?1;

-- name: worker_of_other
-- Whether a worker calls by another credential. One that was removed does not.
-- ?1 seq, ?2 identity
SELECT count(*) FROM worker WHERE seq = ?1 AND identity <> ?2;

-- name: machine_state
-- The state of a machine of this node; no row when it has none of that name.
-- ?1 name
SELECT state FROM machine WHERE name = ?1;

-- name: worker_retired
-- Notes that a worker retires.
-- ?1 seq, ?2 wall time
UPDATE worker SET retired_wall = ?2 WHERE seq = ?1;

-- name: workers_alive
-- The number of workers that have called since a moment and have not retired.
-- ?1 clock
SELECT count(*) FROM worker WHERE last_seen >= ?1 AND retired_wall IS NULL;

-- name: quarantine_begin
-- Puts an identity into quarantine; one that is there stays as it is.
-- ?1 identity, ?2 wall time, ?3 why
INSERT INTO quarantine (identity, wall, why) VALUES (?1, ?2, ?3) ON CONFLICT (identity) DO NOTHING;

-- name: quarantine_end
-- Lets an identity out.
-- ?1 identity
DELETE FROM quarantine WHERE identity = ?1;

-- name: quarantine_has
-- Whether an identity is in quarantine.
-- ?1 identity
SELECT count(*) FROM quarantine WHERE identity = ?1;

-- name: quarantine_count
-- How many are.
SELECT count(*) FROM quarantine;

-- name: quarantine_list
-- Who is, the latest first.
-- ?1 most
SELECT identity, wall, why FROM quarantine ORDER BY seq DESC LIMIT ?1;
