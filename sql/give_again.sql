-- What a transfer has given away, as the other node is to have it; not what has come back since.
-- ?1 transfer, ?2 node
SELECT id, digest, chain, iterations, remaining,
    CASE WHEN state = 1 THEN 0 WHEN handed = 1 THEN 2 ELSE state END,
    coalesce(home, -1), moves, trial, enqueued_wall, coalesce(done_wall, 0), pull, key
FROM item WHERE transfer = ?1 AND home = ?2 AND remaining = 0;
