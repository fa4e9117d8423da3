-- Whether the worker on a machine must not retire: it holds items, or its machine is one of the last
-- WORKERS_MIN. No row when the machine is to go anyway, or is not of this node.
-- ?1 machine, ?2 worker, ?3 WORKERS_MIN
SELECT (SELECT count(*) FROM machine WHERE state = 1) <= ?3
    OR EXISTS (SELECT 1 FROM item WHERE state = 1 AND deadline >= 0 AND worker = ?2)
FROM machine WHERE name = ?1 AND state < 2;
