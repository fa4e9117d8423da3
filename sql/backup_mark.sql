-- Makes of a copy a backup, or of what was saved of a damaged database: whoever starts from it has to ask every
-- peer, also one that it did not know yet, for what it lacks,
-- and counts none as away or lost at its start. It needs no other file beside it.
PRAGMA journal_mode = DELETE;
WITH RECURSIVE nodes (node) AS (SELECT 0 UNION ALL SELECT node + 1 FROM nodes WHERE node < 255)
INSERT INTO peer (node, restored, heard) SELECT node, 1, (SELECT clock FROM tally) FROM nodes WHERE true
ON CONFLICT (node) DO UPDATE SET restored = 1, heard = excluded.heard;
