-- A worker retires: its machine is to go.
-- ?1 machine, ?2 clock
UPDATE machine SET state = 2, changed = ?2 WHERE name = ?1 AND state < 2;
