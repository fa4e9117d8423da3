-- A result. The lease's id stays, so that the same report again is known.
-- ?1 seq, ?2 worker, ?3 chain, ?4 clock, ?5 wall time
UPDATE item SET state = 2, deadline = NULL, worker = ?2, chain = ?3, remaining = 0, done_at = ?4,
    done_wall = ?5
WHERE seq = ?1;
