-- Notes that a worker was heard from.
-- ?1 name, ?2 kernel, ?3 cores, ?4 rate, ?5 wall time, ?6 clock
INSERT INTO worker (name, kernel, cores, rate, first_seen_wall, last_seen_wall, last_seen)
VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6)
ON CONFLICT (name) DO UPDATE
SET kernel = ?2, cores = ?3, rate = ?4, last_seen_wall = ?5, last_seen = ?6, retired_wall = NULL
RETURNING seq;
