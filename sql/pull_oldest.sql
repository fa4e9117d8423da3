-- The next items to hand out, oldest completed first.
-- ?1 most
SELECT id, chain, iterations, remaining, state, strikes, enqueued_wall, done_wall, seq
FROM item WHERE state = 2 ORDER BY done_at, seq LIMIT ?1;
