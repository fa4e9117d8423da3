-- How long the machines launched last took until their workers were heard from.
-- ?1 most
SELECT (SELECT min(first_seen) FROM worker WHERE worker.machine = machine.name) - launched AS boot
FROM machine
WHERE EXISTS (SELECT 1 FROM worker WHERE worker.machine = machine.name AND first_seen > launched)
ORDER BY seq DESC LIMIT ?1;
