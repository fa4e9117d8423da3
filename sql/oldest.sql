-- Since when the item that waits longest has waited; NULL when none waits.
SELECT min(since) FROM item WHERE state = 0;
