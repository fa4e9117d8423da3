-- The rate of the machine whose worker was heard from last.
SELECT rate
FROM worker
WHERE last_seen >= 0 AND rate > 0 AND EXISTS (SELECT 1 FROM machine WHERE name = worker.machine)
ORDER BY last_seen DESC LIMIT 1;
