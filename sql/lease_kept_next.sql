-- The items to lease next of those kept for a peer that is away.
-- ?1 node, ?2 most
SELECT id, chain, remaining FROM item WHERE home = ?1 AND state = 0 ORDER BY rank, seq LIMIT ?2;
