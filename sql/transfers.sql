-- The transfers that were asked for and not answered, the oldest first.
-- ?1 most
SELECT id, node, top, oldest FROM transfer ORDER BY rowid LIMIT ?1;
