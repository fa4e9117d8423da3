-- What this node has of an item that a peer tells of.
-- ?1 id
SELECT id, digest, chain, iterations, remaining,
    CASE WHEN state = 1 THEN 0 WHEN handed = 1 THEN 2 ELSE state END,
    coalesce(home, -1), moves, trial, enqueued_wall, coalesce(done_wall, 0), pull, key, seq, state
FROM item WHERE id = ?1;
