-- Notes that a worker retires.
-- ?1 seq, ?2 wall time
UPDATE worker SET retired_wall = ?2 WHERE seq = ?1;
