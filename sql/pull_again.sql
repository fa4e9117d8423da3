-- What a keyed pull has handed out before, in any order.
-- ?1 pull
SELECT id, chain, iterations, remaining, state, strikes, enqueued_wall, done_wall
FROM item WHERE pull = ?1;
