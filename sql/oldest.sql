-- Since when this node's own item that waits longest has waited; NULL when none waits.
SELECT min(since) FROM item WHERE state = 0 AND home IS NULL;
