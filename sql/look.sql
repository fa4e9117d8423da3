-- Everything about an item that a client may see.
-- ?1 id
SELECT id, chain, iterations, remaining, state, strikes, enqueued_wall, done_wall,
    coalesce(home, -1)
FROM item WHERE id = ?1;
