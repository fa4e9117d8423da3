-- Since when the item to be leased next of those kept for a peer has waited; no row when none waits.
-- ?1 node
SELECT since FROM item WHERE home = ?1 AND state = 0 ORDER BY rank, seq LIMIT 1;
