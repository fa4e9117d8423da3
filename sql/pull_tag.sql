-- The pull that an idempotency key was used for before, if any: key, top and order in one.
-- ?1 and ?2 the least and the greatest pull with that key
SELECT pull FROM item WHERE pull BETWEEN ?1 AND ?2 LIMIT 1;
