-- The replica of the other node's database: a file that only its batches change.

-- name: replica_open
-- How its connection is set up. FULL makes each commit one fsync of the WAL; checkpoints are made
-- behind commits, where their failures are seen.
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
-- Which database it is of, and up to which batch; whether that one says that this replica is incomplete;
-- whether it was found to fit no batch.
-- ?1 NODE of this node
SELECT id, node, epoch, batch, batch_check, wall,
    EXISTS (SELECT 1 FROM peer WHERE node = ?1 AND incomplete IS NOT NULL),
    (SELECT application_id FROM pragma_application_id)
FROM identity, tally
WHERE identity.one = 1 AND tally.one = 1;

-- name: replica_table
-- The columns of a table in their order, and whether each is of its primary key; none when it is not there.
-- ?1 its name
SELECT name, pk FROM pragma_table_info(?1);

-- name: replica_mark
-- Before one batch of several in a transaction.
SAVEPOINT batch;

-- name: replica_keep
-- Behind it.
RELEASE batch;

-- name: replica_undo
-- Takes its changes back.
ROLLBACK TO batch;

-- name: replica_batch
-- The number of the last batch, as the batch itself has it.
SELECT batch FROM tally WHERE one = 1;

-- name: replica_raise
-- From now on no batch of the former database fits: this is what its node is given back.
-- ?1 the epoch
UPDATE identity SET epoch = ?1, restored = (SELECT clock FROM tally WHERE one = 1) WHERE one = 1;

-- name: replica_strange
-- How much a copy contains that no database of a node does: what runs by itself, or is no table of its own.
SELECT count(*) FROM sqlite_schema
WHERE type NOT IN ('table', 'index', 'view') OR sql LIKE 'CREATE VIRTUAL%'
    OR (type = 'view' AND name NOT IN
        ('queue', 'items', 'workers', 'machines', 'decisions', 'slowest', 'throughput'));

-- name: replica_shape
-- The columns of all tables and indexes.
SELECT t.type, t.name, t.tbl_name, c.cid, c.name, c.type, c."notnull", c.dflt_value, c.pk, c.hidden
FROM sqlite_schema AS t, pragma_table_xinfo(t.name) AS c
WHERE t.type = 'table' AND t.name NOT GLOB 'sqlite_*'
UNION ALL
SELECT i.type, i.name, i.tbl_name, c.seqno, c.name, c."desc", c.coll, c.key, NULL, NULL
FROM sqlite_schema AS i, pragma_index_xinfo(i.name) AS c
WHERE i.type = 'index'
ORDER BY 1, 2, 4;

-- name: replica_bad
-- It fits no batch any more, and a restart does not make it good. What it is of has 0 there.
PRAGMA application_id = 1;

-- name: replica_good
-- A database of its own again.
PRAGMA application_id = 0;

-- name: replica_rows
-- Items, to be compared on both sides.
-- ?1 the first seq, ?2 the last
SELECT * FROM item WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq;

-- name: replica_rows_end
-- The last of so many items from one on; NULL when there are none.
-- ?1 the first seq, ?2 how many
SELECT max(seq) FROM (SELECT seq FROM item WHERE seq >= ?1 ORDER BY seq LIMIT ?2);

-- name: read_begin
-- Has several statements read one state.
BEGIN;
