-- The connection, its transactions, the counts, and the file.

-- name: open
-- How the writer's connection is set up, before anything else. FULL makes each commit one fsync of
-- the WAL, done before the commit can be seen; checkpoints are the writer's own business.
PRAGMA busy_timeout = 5000; -- first: after a kill, another process may just be reading the WAL anew
PRAGMA page_size = 4096;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA wal_autocheckpoint = 0;
PRAGMA journal_size_limit = 67108864;
PRAGMA cache_size = -16384;
PRAGMA mmap_size = 0;
PRAGMA temp_store = MEMORY;
PRAGMA secure_delete = OFF;
PRAGMA cell_size_check = ON;

-- name: begin
-- Starts a batch; takes the write lock at once, so that no later statement can be refused it.
BEGIN IMMEDIATE;

-- name: commit
-- Ends a batch: one fsync of the WAL.
COMMIT;

-- name: rollback
-- Gives a batch up.
ROLLBACK;

-- name: tally_read
-- The counts and the queue clock as last saved.
SELECT clock, waiting, leased, done, pulled, cancelled, remaining, change FROM tally WHERE one = 1;

-- name: tally_save
-- Saves the counts and the queue clock; part of each batch.
-- ?1 clock, ?2 waiting, ?3 leased, ?4 done, ?5 pulled, ?6 cancelled, ?7 remaining,
-- ?8 change
UPDATE tally SET clock = ?1, waiting = ?2, leased = ?3, done = ?4, pulled = ?5, cancelled = ?6,
    remaining = ?7, change = ?8
WHERE one = 1;

-- name: data_version
-- A number that changes when another connection commits.
PRAGMA data_version;

-- name: page_count
-- The database's size in pages, with the batch under way.
PRAGMA page_count;

-- name: freelist_count
-- How many of its pages hold nothing.
PRAGMA freelist_count;

-- name: backup_mark
-- Makes of a copy a backup, or of what was saved of a damaged database: whoever starts from it has to ask every
-- peer, also one that it did not know yet, for what it lacks,
-- and counts none as away or lost at its start. It needs no other file beside it.
PRAGMA journal_mode = DELETE;
WITH RECURSIVE nodes (node) AS (SELECT 0 UNION ALL SELECT node + 1 FROM nodes WHERE node < 255)
INSERT INTO peer (node, restored, heard) SELECT node, 1, (SELECT clock FROM tally) FROM nodes WHERE true
ON CONFLICT (node) DO UPDATE SET restored = 1, heard = excluded.heard;

-- name: views_now
-- The views as they are in the file.
SELECT sql FROM sqlite_schema WHERE type = 'view';
