-- The items to lease next.
-- ?1 most
SELECT seq, id, chain, remaining FROM item WHERE state = 0 ORDER BY rank, seq LIMIT ?1;
