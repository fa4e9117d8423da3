-- One item: enqueue, look, cancel; the longest wait.

-- name: enqueue
-- Stores a new item. With one iteration it is done at once.
-- ?1 id, ?2 digest, ?3 iterations, ?4 rank, ?5 clock, ?6 key or NULL, ?7 wall time, ?8 state, ?9 client
INSERT INTO item (id, digest, chain, iterations, remaining, state, rank, since, key, enqueued_wall,
    done_at, done_wall, client)
VALUES (?1, ?2, ?2, ?3, ?3 - 1, ?8, ?4, ?5, ?6, ?7, iif(?8 = 2, ?5, NULL), iif(?8 = 2, ?7, NULL), ?9);

-- name: enqueue_many
-- Stores several, those of the table `enqueued`, see fcgi/rows/enqueue_table.h: 64 take 0.56 of the instructions of
-- one statement for each. A single one takes more than by enqueue: SQLite keeps the pages as they were, to take the
-- whole statement back.
-- ?1 clock, ?2 wall time
INSERT INTO item (id, digest, chain, iterations, remaining, state, rank, since, key, enqueued_wall,
    done_at, done_wall, client)
SELECT id, digest, digest, iterations, iterations - 1, state, rank, ?1, key, ?2,
    iif(state = 2, ?1, NULL), iif(state = 2, ?2, NULL), client
FROM enqueued;

-- name: enqueue_again
-- The item that a client enqueued with an idempotency key before.
-- ?1 client, ?2 key
SELECT id, digest, iterations FROM item WHERE client = ?1 AND key = ?2;

-- name: look
-- Everything about an item that a client may see.
-- ?1 id, ?2 name of its client, or NULL for any
SELECT id, chain, iterations, remaining, state, strikes, enqueued_wall, done_wall
FROM item
WHERE id = ?1 AND (?2 IS NULL OR (SELECT name FROM client WHERE client.seq = item.client) = ?2);

-- name: cancel_read
-- The columns that decide about a cancellation.
-- ?1 id
SELECT seq, state, remaining, worker, client, iterations, since FROM item WHERE id = ?1;

-- name: cancel
-- Cancels an item.
-- ?1 seq, ?2 clock
UPDATE item SET state = 4, deadline = NULL, closed = ?2 WHERE seq = ?1;

-- name: oldest
-- When the longest wait of an item began; NULL when none waits.
SELECT min(since) FROM item WHERE state = 0;
