-- The next items to hand out, latest completed first.
-- ?1 most
SELECT id, chain, iterations, remaining, state, strikes, enqueued_wall, done_wall, seq
FROM item WHERE state = 2 ORDER BY done_at DESC, seq DESC LIMIT ?1;
