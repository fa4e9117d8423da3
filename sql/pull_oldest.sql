-- The next items to hand out, oldest completed first. No done_at is below 0: that
-- condition makes the walk along the index a search.
-- ?1 most
SELECT id, chain, iterations, remaining, state, strikes, enqueued_wall, done_wall
FROM item WHERE state = 2 AND home IS NULL AND done_at >= 0 ORDER BY done_at, seq LIMIT ?1;
