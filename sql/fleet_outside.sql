-- The rate of the workers that are not silent and that this node did not launch.
-- ?1 clock: who was heard from since is not silent
SELECT coalesce(sum(rate), 0)
FROM worker
WHERE last_seen >= ?1 AND retired_wall IS NULL
    AND NOT EXISTS (SELECT 1 FROM machine WHERE name = worker.machine);
