-- Workers, as they describe themselves.

-- name: worker_seen
-- Saves a worker's call. Gives its seq, and 1 when its machine is leaving or gone.
-- ?1 name, ?2 machine, ?3 address, ?4 kernel, ?5 cores, ?6 rate, ?7 wall time, ?8 clock
INSERT INTO worker (name, machine, address, kernel, cores, rate, first_seen_wall, last_seen_wall,
    first_seen, last_seen)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8, ?8)
ON CONFLICT (name) DO UPDATE
SET machine = ?2, address = ?3, kernel = ?4, cores = ?5, rate = ?6, last_seen_wall = ?7,
    last_seen = ?8, retired_wall = NULL
RETURNING seq, EXISTS (SELECT 1 FROM machine WHERE machine.name = ?2 AND state >= 2);

-- name: worker_retired
-- Notes that a worker retires.
-- ?1 seq, ?2 wall time
UPDATE worker SET retired_wall = ?2 WHERE seq = ?1;

-- name: workers_alive
-- The number of workers that have called since a moment and have not retired.
-- ?1 clock
SELECT count(*) FROM worker WHERE last_seen >= ?1 AND retired_wall IS NULL;
