-- An item given back with its progress.
-- ?1 seq, ?2 worker, ?3 chain, ?4 remaining, ?5 clock
UPDATE item SET state = 0, deadline = NULL, lease = NULL, since = ?5, worker = ?2, chain = ?3,
    remaining = ?4
WHERE seq = ?1;
