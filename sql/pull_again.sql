-- What a keyed pull has handed out before, latest completed first, whatever its top and order were.
-- ?1 and ?2 the least and the greatest pull with that key
SELECT id, chain, iterations, remaining, state, strikes, enqueued_wall, done_wall, seq, pull
FROM item WHERE pull BETWEEN ?1 AND ?2 ORDER BY done_at DESC, seq DESC;
