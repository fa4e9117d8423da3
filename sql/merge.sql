-- What another node tells of an item.

-- name: merge_read
-- What this node has of an item that a peer tells of.
-- ?1 id
SELECT id, digest, chain, iterations, remaining,
    CASE WHEN state = 1 THEN 0 WHEN handed = 1 THEN 2 ELSE state END,
    coalesce(home, -1), moves, trial, enqueued_wall, coalesce(done_wall, 0), pull, key, seq, state
FROM item WHERE id = ?1;

-- name: merge_insert
-- Stores an item that a peer has told of. If another item here has its key it is kept without.
-- ?1 id, ?2 digest, ?3 chain, ?4 iterations, ?5 remaining, ?6 state, ?7 home or -1, ?8 moves, ?9 trial,
-- ?10 enqueued wall, ?11 done wall or 0, ?12 pull, ?13 key, ?14 rank, ?15 clock, ?16 clock when done,
-- ?17 change or 0
INSERT INTO item (id, digest, chain, iterations, remaining, state, home, moves, trial, enqueued_wall,
    done_wall, pull, key, rank, since, done_at, closed, change)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, nullif(?7, -1), ?8, ?9, ?10,
    nullif(?11, 0), ?12, iif(EXISTS (SELECT 1 FROM item WHERE key = ?13), NULL, ?13), ?14, ?15,
    iif(?11 = 0, NULL, ?16), iif(?6 >= 3, ?15, NULL), nullif(?17, 0));

-- name: merge_update
-- Sets an item to what was merged. A lease stays while the item is leased on; its id stays for a late
-- report, but for one of another trial.
-- ?1 seq, ?2 state, ?3 chain, ?4 remaining, ?5 trial, ?6 home or -1, ?7 moves, ?8 pull, ?9 done wall or
-- 0, ?10 clock when done, ?11 clock, ?12 change or 0, ?13 whether it stays handed
UPDATE item SET state = ?2, chain = ?3, remaining = ?4, trial = ?5, home = nullif(?6, -1), moves = ?7,
    pull = ?8, done_wall = nullif(?9, 0), done_at = iif(?9 = 0, NULL, coalesce(done_at, ?10)),
    since = iif(?2 = 0 AND state <> 0, ?11, since),
    lease = iif(?5 = trial, lease, NULL), deadline = iif(?2 = 1, deadline, NULL),
    closed = iif(?2 >= 3, coalesce(closed, ?11), NULL), handed = iif(?13, handed, NULL),
    change = iif(?12 > 0, ?12, change)
WHERE seq = ?1;
