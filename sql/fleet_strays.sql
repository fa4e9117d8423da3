-- Workers that were heard from on machines that are not known or were gone before that.
-- ?1 clock: who was heard from since is not silent
SELECT machine, last_seen, rate
FROM worker
WHERE last_seen >= ?1 AND machine <> '' AND retired_wall IS NULL
    AND NOT EXISTS (SELECT 1 FROM machine
        WHERE name = worker.machine AND (state < 3 OR changed >= worker.last_seen));
