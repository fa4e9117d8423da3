-- Removes items that were pulled long ago, the first ones first.
-- ?1 clock until which they were pulled, ?2 most
DELETE FROM item
WHERE seq IN (SELECT seq FROM item WHERE state = 3 AND closed <= ?1 ORDER BY closed LIMIT ?2);
