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
SELECT clock, waiting, leased, done, pulled, cancelled, remaining, batch, batch_check, wall FROM tally
WHERE one = 1;

-- name: tally_save
-- Saves the counts and the queue clock; part of each batch.
-- ?1 clock, ?2 waiting, ?3 leased, ?4 done, ?5 pulled, ?6 cancelled, ?7 remaining,
-- ?8 number of the batch, ?9 wall time
UPDATE tally SET clock = ?1, waiting = ?2, leased = ?3, done = ?4, pulled = ?5, cancelled = ?6,
    remaining = ?7, batch = ?8, wall = ?9
WHERE one = 1;

-- name: tally_check
-- Saves the check over all batches so far; no part of what it is over.
-- ?1 check
UPDATE tally SET batch_check = ?1 WHERE one = 1;

-- name: identity
-- Which database this is.
SELECT id, node, epoch, backup, coalesce(restored, -1) FROM identity WHERE one = 1;

-- name: identity_node
-- A database that was made by a version without identities belongs to the node that opens it first.
-- ?1 NODE
UPDATE identity SET node = ?1 WHERE node = -1;

-- name: identity_new
-- A new database of a node.
-- ?1 NODE, ?2 the least epoch
UPDATE identity SET node = ?1, epoch = max(epoch, ?2);

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
-- Makes of a copy a backup, or of what was saved of a damaged database. It needs no other file beside it.
PRAGMA journal_mode = DELETE;
UPDATE identity SET backup = 1;

-- name: merged_items
-- Items of schema version 5 that only this one knows what to do with: kept for another node, or given to it and
-- not handed out yet, or asked for and not come yet; open ones that came from another node, and would be looked
-- for there by their ids; and 1 when what happened since a backup was not asked for yet.
-- ?1 NODE
SELECT (SELECT count(*) FROM item WHERE home IS NOT NULL AND state < 3)
    + (SELECT count(*) FROM item WHERE handed = 1 AND home IS NOT NULL)
    + (SELECT count(*) FROM transfer)
    + (SELECT count(*) FROM item WHERE home IS NULL AND state < 3 AND (
        (instr('0123456789ABCDEF', substr(hex(id), 17, 1)) - 1) % 4 * 64
        + (instr('0123456789ABCDEF', substr(hex(id), 18, 1)) - 1) * 4
        + (instr('0123456789ABCDEF', substr(hex(id), 19, 1)) - 1) / 4) <> ?1)
    + (SELECT count(*) FROM peer WHERE restored = 1 AND (listened >= 0 OR told > 0));

-- name: merged_closed
-- Forgets the closed items of schema version 5 that came from another node.
-- ?1 NODE
DELETE FROM item WHERE state >= 3 AND (
        (instr('0123456789ABCDEF', substr(hex(id), 17, 1)) - 1) % 4 * 64
        + (instr('0123456789ABCDEF', substr(hex(id), 18, 1)) - 1) * 4
        + (instr('0123456789ABCDEF', substr(hex(id), 19, 1)) - 1) / 4) <> ?1;

-- name: views_now
-- The views as they are in the file.
SELECT sql FROM sqlite_schema WHERE type = 'view';

-- name: identity_accept
-- A backup, or a database that others have replaced, becomes one that is served.
-- ?1 epoch
UPDATE identity SET backup = 0, epoch = ?1, restored = (SELECT clock FROM tally WHERE one = 1);

-- name: identity_fetched
-- The database was taken from the replica at the other node.
UPDATE identity SET backup = 0, restored = (SELECT clock FROM tally WHERE one = 1);

-- name: empty_wal
-- Takes all of the WAL into the database's file. 0 when nobody was in the way.
PRAGMA wal_checkpoint(TRUNCATE);

-- name: whole
-- Whether every page of the file is where it should be: "ok", or what is wrong.
PRAGMA quick_check(1);
