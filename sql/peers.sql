-- Other nodes: what is known of them and told to them.

-- name: peer_save
-- Saves what is known of a peer; part of each batch that changes it.
-- ?1 node, ?2 heard, ?3 told, ?4 kept waiting, ?5 kept leased, ?6 kept done, ?7 kept remaining
INSERT INTO peer (node, heard, told, kept_waiting, kept_leased, kept_done, kept_remaining)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT (node) DO UPDATE
SET heard = ?2, told = ?3, kept_waiting = ?4, kept_leased = ?5, kept_done = ?6, kept_remaining = ?7;

-- name: peer_caught_up
-- A peer has told all that it has since this database was restored.
-- ?1 NODE
UPDATE peer SET restored = 0 WHERE node = ?1;

-- name: peer_load
-- What is known of the peers as last saved.
SELECT node, heard, told, kept_waiting, kept_leased, kept_done, kept_remaining, restored FROM peer;

-- name: peer_nonce
-- What the next hello of a peer must name to count.
-- ?1 NODE
SELECT listened FROM peer WHERE node = ?1;

-- name: peer_nonce_save
-- A peer is told what its next hello must name.
-- ?1 NODE, ?2 the nonce
INSERT INTO peer (node, listened) VALUES (?1, ?2)
ON CONFLICT (node) DO UPDATE SET listened = ?2;

-- name: changed
-- What has changed here and is to be told, in the order of changes.
-- ?1, ?2 the place (change, seq) behind which to begin, ?3 most
SELECT id, digest, chain, iterations, remaining,
    CASE WHEN state = 1 THEN 0 WHEN handed = 1 THEN 2 ELSE state END,
    coalesce(home, -1), moves, trial, enqueued_wall, coalesce(done_wall, 0), pull, key, seq, change
FROM item
WHERE change >= ?1 AND (change, seq) > (?1, ?2)
ORDER BY change, seq LIMIT ?3;

-- name: items_after
-- All items here, in the order in which they came, as a peer is told of them.
-- ?1 the seq behind which to begin, ?2 most
SELECT id, digest, chain, iterations, remaining,
    CASE WHEN state = 1 THEN 0 WHEN handed = 1 THEN 2 ELSE state END,
    coalesce(home, -1), moves, trial, enqueued_wall, coalesce(done_wall, 0), pull, key, seq
FROM item WHERE seq > ?1 ORDER BY seq LIMIT ?2;

-- name: adopt
-- Makes items of a peer that is lost this node's own, some at a time. They have waited since they could
-- be leased here.
-- ?1 node, ?2 most, ?3 change or 0, ?4 clock since when it is away
UPDATE item SET home = NULL, moves = moves + 1, since = max(since, ?4),
    change = iif(?3 > 0, ?3, change)
WHERE seq IN (SELECT seq FROM item WHERE home = ?1 AND state <= 2 LIMIT ?2)
RETURNING state, remaining;

-- name: fault_add
-- Keeps two chains that cannot both be right.
-- ?1 id, ?2 remaining, ?3 ours, ?4 theirs, ?5 node, ?6 wall time
INSERT INTO fault (id, remaining, ours, theirs, node, wall) VALUES (?1, ?2, ?3, ?4, ?5, ?6);

-- name: fault_prune
-- Old faults leave.
DELETE FROM fault WHERE seq <= (SELECT max(seq) FROM fault) - 1000;

-- name: faults
-- How many faults there were ever; their seq counts on.
SELECT max(seq) FROM fault;
