-- Pulls: done items handed out to clients, and batches that a key names.

-- name: pull_latest
-- The next items of a client to hand out, latest completed first. No done_at is below 0; the condition on it makes
-- SQLite search the index.
-- ?1 most, ?2 client
SELECT id, chain, iterations, remaining, state, strikes, enqueued_wall, done_wall
FROM item WHERE client = ?2 AND state = 2 AND done_at >= 0 ORDER BY done_at DESC, seq DESC LIMIT ?1;

-- name: pull_oldest
-- The next items of a client to hand out, oldest completed first. No done_at is below 0; the condition on it makes
-- SQLite search the index.
-- ?1 most, ?2 client
SELECT id, chain, iterations, remaining, state, strikes, enqueued_wall, done_wall
FROM item WHERE client = ?2 AND state = 2 AND done_at >= 0 ORDER BY done_at, seq LIMIT ?1;

-- name: pull_give_latest
-- Marks the first ?3 items that pull_latest gives as handed out.
-- ?1 pull or NULL, ?2 clock, or -1 while the pull is open, ?3 how many, ?4 client
UPDATE item SET state = 3, pull = ?1, closed = iif(?2 < 0, NULL, ?2)
WHERE seq IN (
    SELECT seq FROM item WHERE client = ?4 AND state = 2 AND done_at >= 0
    ORDER BY done_at DESC, seq DESC LIMIT ?3);

-- name: pull_give_oldest
-- Marks the first ?3 items that pull_oldest gives as handed out.
-- ?1 pull or NULL, ?2 clock, or -1 while the pull is open, ?3 how many, ?4 client
UPDATE item SET state = 3, pull = ?1, closed = iif(?2 < 0, NULL, ?2)
WHERE seq IN (
    SELECT seq FROM item WHERE client = ?4 AND state = 2 AND done_at >= 0
    ORDER BY done_at, seq LIMIT ?3);

-- name: pull_again
-- The items that were handed out or set aside for a pull, in any order.
-- ?1 pull
SELECT id, chain, iterations, remaining, state, strikes, enqueued_wall, done_wall
FROM item WHERE pull = ?1;

-- name: pull_tag
-- The pull that an idempotency key was used for before, if any: key, top and order in one.
-- ?1 and ?2 the least and the greatest pull with that key
SELECT pull FROM item WHERE pull BETWEEN ?1 AND ?2 LIMIT 1;

-- name: pull_close
-- Sets the time from which retention counts for the items of a pull.
-- ?1 pull, ?2 clock
UPDATE item SET closed = ?2 WHERE pull = ?1 AND closed IS NULL
RETURNING client;

-- name: pull_free
-- Takes back the items of a pull: they are done again.
-- ?1 pull
UPDATE item SET state = 2, pull = NULL, closed = NULL WHERE pull = ?1 AND state = 3
RETURNING client;
