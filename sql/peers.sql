-- The saved state of the other node.

-- name: peer_load
-- Reads it: nonce, database, epoch, since when its replica is incomplete or 0.
-- ?1 NODE
SELECT listened, database, epoch, coalesce(incomplete, 0) FROM peer WHERE node = ?1;

-- name: peer_nonce_save
-- Saves the nonce that the peer's next hello must name.
-- ?1 NODE, ?2 the nonce
INSERT INTO peer (node, listened) VALUES (?1, ?2)
ON CONFLICT (node) DO UPDATE SET listened = ?2;

-- name: peer_met
-- Notes which database the peer has.
-- ?1 NODE, ?2 id, ?3 epoch
INSERT INTO peer (node, database, epoch) VALUES (?1, ?2, ?3)
ON CONFLICT (node) DO UPDATE SET database = ?2, epoch = ?3;

-- name: peer_incomplete
-- Notes since when the peer's replica of this database is incomplete, or that it is complete.
-- ?1 NODE, ?2 wall time or 0
INSERT INTO peer (node, incomplete) VALUES (?1, nullif(?2, 0))
ON CONFLICT (node) DO UPDATE SET incomplete = nullif(?2, 0);
