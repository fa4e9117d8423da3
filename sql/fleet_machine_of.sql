-- The machine of a worker.
-- ?1 seq
SELECT machine FROM worker WHERE seq = ?1;
