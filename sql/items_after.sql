-- All items here, in the order in which they came, as a peer is told of them.
-- ?1 the seq behind which to begin, ?2 most
SELECT id, digest, chain, iterations, remaining,
    CASE WHEN state = 1 THEN 0 WHEN handed = 1 THEN 2 ELSE state END,
    coalesce(home, -1), moves, trial, enqueued_wall, coalesce(done_wall, 0), pull, key, seq
FROM item WHERE seq > ?1 ORDER BY seq LIMIT ?2;
