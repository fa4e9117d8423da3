-- How far items are, and what is to be done before them.

-- name: progress_item
-- An item that waits or is leased, and its worker.
-- ?1 id, ?2 name of its client, or NULL for any
SELECT item.seq, item.state, item.remaining, item.rank, item.granted, item.granted_at, item.moved, item.deadline,
    item.worker, worker.name, worker.kernel, worker.cores, worker.rate, worker.last_seen,
    EXISTS (SELECT 1 FROM quarantine WHERE quarantine.identity = worker.identity),
    item.client, (SELECT name FROM client WHERE client.seq = item.client),
    (SELECT weight FROM client WHERE client.seq = item.client)
FROM item LEFT JOIN worker ON worker.seq = item.worker
WHERE item.id = ?1 AND item.state < 2
    AND (?2 IS NULL OR (SELECT name FROM client WHERE client.seq = item.client) = ?2);

-- name: progress_points
-- The last points of an item.
-- ?1 seq, ?2 most
SELECT remaining, at FROM point WHERE item = ?1 ORDER BY remaining LIMIT ?2;

-- name: progress_ahead
-- How many items are leased before one that waits.
-- ?1 its rank, ?2 its seq, ?3 most
SELECT count(*) FROM (
    SELECT 1 FROM item WHERE state = 0 AND rank >= 0 AND (rank, seq) < (?1, ?2) ORDER BY rank, seq LIMIT ?3);

-- name: progress_ahead_work
-- Their iterations.
-- ?1 its rank, ?2 its seq, ?3 most
SELECT total(remaining) FROM (
    SELECT remaining FROM item WHERE state = 0 AND rank >= 0 AND (rank, seq) < (?1, ?2) ORDER BY rank, seq LIMIT ?3);

-- name: progress_done
-- How long the items took that were done last, of those of a client that were not pulled yet.
-- ?1 most, ?2 client
SELECT granted, done_at - granted_at, done_at FROM item WHERE client = ?2 AND state = 2 ORDER BY done_at DESC LIMIT ?1;

-- name: progress_pulled
-- The same of those that were pulled last.
-- ?1 most
SELECT granted, done_at - granted_at, done_at FROM item WHERE state = 3 AND closed > 0 ORDER BY closed DESC LIMIT ?1;

-- name: load_workers
-- The workers that have called since a moment and have not retired, the latest first.
-- ?1 clock, ?2 most
SELECT seq, kernel, cores, rate, last_seen,
    EXISTS (SELECT 1 FROM quarantine WHERE quarantine.identity = worker.identity)
FROM worker WHERE last_seen >= ?1 AND retired_wall IS NULL ORDER BY last_seen DESC LIMIT ?2;

-- name: load_held
-- Leased items, those first whose lease lapses first.
-- ?1 most
SELECT worker, remaining, granted, granted_at, moved
FROM lease CROSS JOIN json_each(lease.items) AS held CROSS JOIN item ON item.seq = held.value
WHERE lease.due >= 0 AND item.state = 1 AND item.lease = lease.id ORDER BY lease.due LIMIT ?1;

-- name: load_clients
-- Those of the first clients that have something to compute.
-- ?1 how many are looked at
SELECT weight, remaining
FROM (SELECT weight, remaining FROM client WHERE seq >= 0 ORDER BY seq LIMIT ?1)
WHERE remaining > 0;

-- name: load_machines
-- The machines that stay: when each was launched, and whether its worker has called.
-- ?1 most
SELECT launched, EXISTS (SELECT 1 FROM worker WHERE worker.machine = machine.name)
FROM machine WHERE state < 2 ORDER BY seq LIMIT ?1;

-- name: running
-- Leased items, those first whose lease lapses first: whether progress was reported, when they were leased, and when
-- their worker called.
-- ?1 how many are looked at, ?2 name of a client, or NULL for any
SELECT id, remaining < granted, coalesce(granted_at, moved, 0),
    coalesce((SELECT last_seen FROM worker WHERE worker.seq = held.worker), -1)
FROM (SELECT item.id, remaining, granted, granted_at, moved, worker, client
    FROM lease CROSS JOIN json_each(lease.items) AS held CROSS JOIN item ON item.seq = held.value
    WHERE lease.due >= 0 AND item.state = 1 AND item.lease = lease.id ORDER BY lease.due LIMIT ?1) AS held
WHERE ?2 IS NULL OR client = (SELECT seq FROM client WHERE name = ?2);
