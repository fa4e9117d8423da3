-- Removes items that were cancelled long ago, the first ones first.
-- ?1 clock until which they were cancelled, ?2 most
DELETE FROM item
WHERE seq IN (SELECT seq FROM item WHERE state = 4 AND closed <= ?1 ORDER BY closed LIMIT ?2);
