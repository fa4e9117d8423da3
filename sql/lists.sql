-- Lists of items, the newest first, which is the order of their ids.

-- name: list_client
-- The items of a client before an id.
-- ?1 id, ?2 most, ?3 name of the client
SELECT id, chain, iterations, remaining, state, strikes, enqueued_wall, done_wall
FROM item WHERE client = (SELECT seq FROM client WHERE name = ?3) AND id < ?1
ORDER BY id DESC LIMIT ?2;

-- name: list_all
-- The items of all clients before an id, each with the name of its client.
-- ?1 id, ?2 most
SELECT id, chain, iterations, remaining, state, strikes, enqueued_wall, done_wall,
    (SELECT name FROM client WHERE client.seq = item.client)
FROM item WHERE id < ?1 ORDER BY id DESC LIMIT ?2;
