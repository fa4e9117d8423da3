-- What has changed here and is to be told, in the order of changes.
-- ?1, ?2 the place (change, seq) behind which to begin, ?3 most
SELECT id, digest, chain, iterations, remaining,
    CASE WHEN state = 1 THEN 0 WHEN handed = 1 THEN 2 ELSE state END,
    coalesce(home, -1), moves, trial, enqueued_wall, coalesce(done_wall, 0), pull, key, seq, change
FROM item
WHERE change >= ?1 AND (change, seq) > (?1, ?2)
ORDER BY change, seq LIMIT ?3;
