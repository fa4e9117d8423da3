-- What a lease still holds.
-- ?1 lease
SELECT id, chain, remaining FROM item WHERE state = 1 AND lease = ?1 ORDER BY seq;
