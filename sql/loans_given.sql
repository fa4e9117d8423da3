-- The loans given to a peer.
-- ?1 NODE
SELECT id FROM loan WHERE side = 1 AND node = ?1;
