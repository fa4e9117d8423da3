-- The machines that are not gone, the oldest first, with when their workers were heard from last and
-- what rate these have.
-- ?1 clock: who was heard from since is not silent, ?2 most
SELECT name, id, state, launched, launched_wall,
    (SELECT max(last_seen) FROM worker WHERE worker.machine = machine.name),
    (SELECT sum(rate) FROM worker
        WHERE worker.machine = machine.name AND last_seen >= ?1 AND retired_wall IS NULL)
FROM machine WHERE state < 3 ORDER BY seq LIMIT ?2;
