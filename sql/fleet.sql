-- The fleet: machines that this node launched; the scaler's view and its decisions.

-- name: machine_update
-- Saves a machine: a new one, or its id, or its state. The state only moves forward, except that a
-- gone machine that turns up again is leaving once more.
-- ?1 name, ?2 id or '', ?3 state, ?4 clock, ?5 wall time, ?6 how long ago it was launched, used when
-- this update makes it launched
INSERT INTO machine (name, id, state, launched, changed, launched_wall)
VALUES (?1, ?2, ?3, ?4, ?4, ?5)
ON CONFLICT (name) DO UPDATE
SET id = iif(?2 = '', id, ?2), changed = iif(?3 > state OR ?3 = 2, ?4, changed),
    launched = iif(?3 = 1 AND state = 0, ?4 - ?6, launched),
    state = iif(?3 > state OR ?3 = 2, ?3, state);

-- name: machines_alive
-- The names of the machines that exist, or are about to.
-- ?1 most
SELECT name FROM machine WHERE state < 3 ORDER BY seq LIMIT ?1;

-- name: machine_known
-- Whether a machine was saved before.
-- ?1 name
SELECT count(*) FROM machine WHERE name = ?1;

-- name: machine_needed
-- Whether the worker on a machine must not retire: its workers hold items, or it is one of the last
-- WORKERS_MIN. No row when the machine is leaving anyway, or is not of this node.
-- ?1 worker, ?2 WORKERS_MIN
SELECT (SELECT count(*) FROM machine WHERE state = 1) <= ?2
    OR EXISTS (SELECT 1
        FROM lease CROSS JOIN json_each(lease.items) AS held CROSS JOIN item ON item.seq = held.value
            CROSS JOIN worker ON worker.seq = item.worker
        WHERE lease.due >= 0 AND item.state = 1 AND item.lease = lease.id AND worker.machine = machine.name)
FROM machine WHERE name = (SELECT machine FROM worker WHERE seq = ?1) AND state < 2;

-- name: machine_prune
-- Removes gone machines when a thousand came after them.
DELETE FROM machine WHERE state = 3 AND seq <= (SELECT max(seq) FROM machine) - 1000;

-- name: machine_retire
-- Makes the machine of a retiring worker leaving.
-- ?1 worker, ?2 clock
UPDATE machine SET state = 2, changed = ?2
WHERE name = (SELECT machine FROM worker WHERE seq = ?1) AND state < 2;

-- name: fleet_boots
-- Boot times of the last launched machines: from the launch to the worker's first call.
-- ?1 most
SELECT (SELECT min(first_seen) FROM worker WHERE worker.machine = machine.name) - launched AS boot
FROM machine
WHERE EXISTS (SELECT 1 FROM worker WHERE worker.machine = machine.name AND first_seen > launched)
ORDER BY seq DESC LIMIT ?1;

-- name: fleet_held
-- The worker of each leased item.
SELECT worker FROM lease CROSS JOIN json_each(lease.items) AS held CROSS JOIN item ON item.seq = held.value
WHERE lease.due >= 0 AND item.state = 1 AND item.lease = lease.id;

-- name: fleet_machine_of
-- The machine of a worker.
-- ?1 seq
SELECT machine FROM worker WHERE seq = ?1;

-- name: fleet_machines
-- The machines that are not gone, the oldest first, with the last call and the rate of their workers.
-- ?1 clock: a worker is silent if its last call is older, ?2 most
SELECT name, id, state, launched, launched_wall,
    (SELECT max(last_seen) FROM worker WHERE worker.machine = machine.name),
    (SELECT sum(rate) FROM worker
        WHERE worker.machine = machine.name AND last_seen >= ?1 AND retired_wall IS NULL)
FROM machine WHERE state < 3 ORDER BY seq LIMIT ?2;

-- name: fleet_outside
-- The rate of the workers that are not silent and that this node did not launch.
-- ?1 clock: a worker is silent if its last call is older
SELECT coalesce(sum(rate), 0)
FROM worker
WHERE last_seen >= ?1 AND retired_wall IS NULL
    AND NOT EXISTS (SELECT 1 FROM machine WHERE name = worker.machine);

-- name: fleet_rate
-- The rate of the machine whose worker has called last.
SELECT rate
FROM worker
WHERE last_seen >= 0 AND rate > 0 AND EXISTS (SELECT 1 FROM machine WHERE name = worker.machine)
ORDER BY last_seen DESC LIMIT 1;

-- name: fleet_strays
-- Workers that call from machines that are unknown, or were gone before the call.
-- ?1 clock: a worker is silent if its last call is older
SELECT machine, last_seen, rate
FROM worker
WHERE last_seen >= ?1 AND machine <> '' AND retired_wall IS NULL
    AND NOT EXISTS (SELECT 1 FROM machine
        WHERE name = worker.machine AND (state < 3 OR changed >= worker.last_seen));

-- name: fleet_workers
-- The workers whose last call is not older than a moment, the latest first.
-- ?1 clock, ?2 most
SELECT seq, name, machine, address, kernel, cores, rate, first_seen_wall, last_seen_wall, last_seen,
    retired_wall IS NOT NULL, identity
FROM worker WHERE last_seen >= ?1 ORDER BY last_seen DESC LIMIT ?2;

-- name: decision_add
-- Saves a decision of the scaler.
-- ?1 wall time, ?2 why
INSERT INTO decision (wall, why) VALUES (?1, ?2);

-- name: decision_prune
-- Removes all but the last thousand decisions.
DELETE FROM decision WHERE seq <= (SELECT max(seq) FROM decision) - 1000;

-- name: decisions_last
-- The last decisions of the scaler.
-- ?1 most
SELECT wall, why FROM decision ORDER BY seq DESC LIMIT ?1;
