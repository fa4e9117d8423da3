-- The items to lease next. No rank is below 0: that condition makes the walk along the index a search.
-- ?1 most
SELECT id, chain, remaining FROM item WHERE state = 0 AND rank >= 0 ORDER BY rank, seq LIMIT ?1;
