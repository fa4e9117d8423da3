-- A checkpoint: the chain has moved on and the lease is renewed.
-- ?1 seq, ?2 worker, ?3 deadline, ?4 chain, ?5 remaining
UPDATE item SET state = 1, deadline = ?3, worker = ?2, chain = ?4, remaining = ?5 WHERE seq = ?1;
