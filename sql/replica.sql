-- The replica of the other node's database: a file that only that node's batches change.

-- name: replica_open
-- Sets the connection up. FULL makes each commit one fsync of the WAL; checkpoints run after commits,
-- where their failures are seen.
PRAGMA busy_timeout = 5000;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA wal_autocheckpoint = 0;
PRAGMA journal_size_limit = 67108864;
PRAGMA cache_size = -16384;
PRAGMA mmap_size = 0;
PRAGMA temp_store = MEMORY;
PRAGMA cell_size_check = ON;

-- name: replica_schema
-- The version of the other node's schema.
PRAGMA user_version;

-- name: replica_state
-- The database and the last batch of the replica; whether that database says that this replica is
-- incomplete; whether the replica was marked bad.
-- ?1 NODE of this node
SELECT id, node, epoch, batch, batch_check, wall,
    EXISTS (SELECT 1 FROM peer WHERE node = ?1 AND incomplete IS NOT NULL),
    (SELECT application_id FROM pragma_application_id)
FROM identity, tally
WHERE identity.one = 1 AND tally.one = 1;

-- name: replica_table
-- The columns of a table in their order, and whether each is of its primary key; no row without the table.
-- ?1 its name
SELECT name, pk FROM pragma_table_info(?1);

-- name: replica_mark
-- Marks the state before one of several batches in a transaction.
SAVEPOINT batch;

-- name: replica_keep
-- Keeps the batch's changes.
RELEASE batch;

-- name: replica_undo
-- Undoes the batch's changes.
ROLLBACK TO batch;

-- name: replica_batch
-- The number of the last batch, which the batch itself has set.
SELECT batch FROM tally WHERE one = 1;

-- name: replica_raise
-- Raises the epoch, so that no batch of the former database fits: the replica is given back to its node.
-- ?1 the epoch
UPDATE identity SET epoch = ?1, restored = (SELECT clock FROM tally WHERE one = 1) WHERE one = 1;

-- name: replica_bad
-- Marks the replica bad: no batch fits it any more, even after a restart. A node's own database has 0 here.
PRAGMA application_id = 1;

-- name: replica_good
-- Removes the mark: it is a database to be served again.
PRAGMA application_id = 0;

-- name: replica_rows
-- Items to compare on both sides.
-- ?1 the first seq, ?2 the last
SELECT * FROM item WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq;

-- name: replica_rows_end
-- The last of ?2 items from ?1 on; NULL when there are none.
-- ?1 the first seq, ?2 how many
SELECT max(seq) FROM (SELECT seq FROM item WHERE seq >= ?1 ORDER BY seq LIMIT ?2);

-- name: read_begin
-- Begins a read transaction, so that several statements see one state.
BEGIN;
