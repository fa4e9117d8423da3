-- Transfers: done items given to another node, and asked for by this one.

-- name: give_latest
-- Gives done items away, latest completed first. With copies they stay as kept for the other node,
-- else they are closed.
-- ?1 node, ?2 transfer, ?3 how many, ?4 copies, ?5 clock, ?6 change or 0
UPDATE item SET home = ?1, moves = moves + 1, transfer = ?2, state = iif(?4, 2, 3),
    closed = iif(?4, NULL, ?5), handed = iif(?4, NULL, 1), change = iif(?6 > 0, ?6, change)
WHERE seq IN (
    SELECT seq FROM item WHERE state = 2 AND home IS NULL AND done_at >= 0
    ORDER BY done_at DESC, seq DESC LIMIT ?3);

-- name: give_oldest
-- Gives done items away, oldest completed first. With copies they stay as kept for the other node,
-- else they are closed.
-- ?1 node, ?2 transfer, ?3 how many, ?4 copies, ?5 clock, ?6 change or 0
UPDATE item SET home = ?1, moves = moves + 1, transfer = ?2, state = iif(?4, 2, 3),
    closed = iif(?4, NULL, ?5), handed = iif(?4, NULL, 1), change = iif(?6 > 0, ?6, change)
WHERE seq IN (
    SELECT seq FROM item WHERE state = 2 AND home IS NULL AND done_at >= 0
    ORDER BY done_at, seq LIMIT ?3);

-- name: give_again
-- What a transfer has given away, as the other node is to have it; not what has come back since.
-- ?1 transfer, ?2 node
SELECT id, digest, chain, iterations, remaining,
    CASE WHEN state = 1 THEN 0 WHEN handed = 1 THEN 2 ELSE state END,
    coalesce(home, -1), moves, trial, enqueued_wall, coalesce(done_wall, 0), pull, key
FROM item WHERE transfer = ?1 AND home = ?2 AND remaining = 0;

-- name: transfer_add
-- Saves that a transfer is asked for.
-- ?1 id, ?2 node, ?3 top, ?4 oldest
INSERT OR IGNORE INTO transfer (id, node, top, oldest) VALUES (?1, ?2, ?3, ?4);

-- name: transfer_end
-- A transfer was answered.
-- ?1 id
DELETE FROM transfer WHERE id = ?1;

-- name: transfers
-- The transfers that were asked for and not answered, the oldest first.
-- ?1 most
SELECT id, node, top, oldest FROM transfer ORDER BY rowid LIMIT ?1;
