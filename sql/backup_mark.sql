-- Makes of a copy a backup: whoever starts from it has to ask every peer, also one that it did not know yet,
-- what has happened since. It needs no other file beside it.
PRAGMA journal_mode = DELETE;
WITH RECURSIVE nodes (node) AS (SELECT 0 UNION ALL SELECT node + 1 FROM nodes WHERE node < 255)
INSERT INTO peer (node, restored) SELECT node, 1 FROM nodes WHERE true
ON CONFLICT (node) DO UPDATE SET restored = 1;
