-- What a keyed pull has handed out before, latest completed first.
-- ?1 pull
SELECT id, chain, iterations, remaining, state, strikes, enqueued_wall, done_wall
FROM item WHERE pull = ?1 ORDER BY done_at DESC, seq DESC;
