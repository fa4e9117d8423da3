-- What operators do, and what they ask.

-- name: pause_set
-- takes: int4 bool
-- Pauses parts of the queue, or has them go on. Gives what was paused, and what is now.
-- $1 bits of the parts, $2 whether they are paused
WITH before AS (SELECT paused FROM meta WHERE one = 1 FOR UPDATE)
UPDATE meta SET paused = CASE WHEN $2 THEN meta.paused | $1 ELSE meta.paused & ~$1 END
FROM before WHERE meta.one = 1 RETURNING before.paused, meta.paused;

-- name: audit_add
-- takes: int8 text text text int8
-- Keeps what somebody did. Gives its number.
-- $1 wall time, $2 who, $3 what, $4 about, $5 items
INSERT INTO audit (wall, who, what, about, items) VALUES ($1, $2, $3, $4, $5) RETURNING seq;

-- name: audit_prune
-- takes: int8
-- Removes old rows.
-- $1 number of the last one to remove
DELETE FROM audit WHERE seq <= $1;

-- name: oldest_wait
-- takes: int8
-- Since when the item waits that waits longest.
-- $1 clock: what is given when none waits
SELECT coalesce(min(o.since), $1)
FROM (SELECT node FROM node WHERE node >= 0 ORDER BY node OFFSET 0) AS n,
    LATERAL (SELECT since FROM work WHERE state = 0 AND home = n.node ORDER BY since LIMIT 1) AS o;

-- name: workers_alive
-- takes: int8
-- How many workers have called since a moment and have not retired.
-- $1 clock
SELECT count(*) FROM worker WHERE last_seen >= $1 AND retired_wall IS NULL;

-- name: worker_retired
-- takes: int8 int8
-- Notes that a worker retires.
-- $1 seq, $2 wall time
UPDATE worker SET retired_wall = $2 WHERE seq = $1::int4;
