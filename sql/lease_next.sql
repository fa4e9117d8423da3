-- The items to lease next of this node's own. No rank is below 0: that condition makes the walk along the index a search.
-- ?1 most
SELECT id, chain, remaining FROM item
WHERE state = 0 AND home IS NULL AND rank >= 0 ORDER BY rank, seq LIMIT ?1;
