-- The connection, its transactions, the counts, and the file.

-- name: open
-- Sets the writer's connection up, before anything else. FULL makes each commit one fsync of the WAL,
-- done before the commit is visible; checkpoints are run by the writer itself.
PRAGMA busy_timeout = 5000; -- first: after a kill, another process may just be recovering the WAL
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
-- The counts, the queue clock and virtual time as last saved.
SELECT clock, waiting, leased, done, pulled, cancelled, remaining, batch, batch_check, wall, virtual, top,
    paused, backed_up
FROM tally WHERE one = 1;

-- name: tally_batch
-- The last batch, its check and its wall time, of a database of any version with identities.
SELECT batch, batch_check, wall FROM tally WHERE one = 1;

-- name: times_senseless
-- How many of the tables have a time that no program saves, and by which something begins.
-- ?1 the greatest that one saves
SELECT EXISTS (SELECT 1 FROM tally WHERE one = 1 AND clock NOT BETWEEN 0 AND ?1)
    + EXISTS (SELECT 1 FROM item WHERE state = 0 AND since < 0)
    + EXISTS (SELECT 1 FROM item WHERE state = 0 AND since > ?1)
    + EXISTS (SELECT 1 FROM lease WHERE due < 0)
    + EXISTS (SELECT 1 FROM lease WHERE due > ?1)
    + EXISTS (SELECT 1
        FROM lease CROSS JOIN json_each(lease.items) AS held CROSS JOIN item ON item.seq = held.value
        WHERE lease.due >= 0 AND item.state = 1 AND item.lease = lease.id AND item.deadline NOT BETWEEN lease.due AND ?1)
    + EXISTS (SELECT 1 FROM item WHERE state = 3 AND closed > ?1)
    + EXISTS (SELECT 1 FROM item WHERE state = 4 AND closed > ?1)
    + EXISTS (SELECT 1 FROM pull WHERE closed > ?1)
    + EXISTS (SELECT 1 FROM reservation WHERE closed > ?1)
    + EXISTS (SELECT 1 FROM worker WHERE last_seen < 0)
    + EXISTS (SELECT 1 FROM worker WHERE last_seen > ?1)
    + EXISTS (SELECT 1 FROM machine WHERE launched NOT BETWEEN 0 AND ?1 OR changed NOT BETWEEN 0 AND ?1)
    + EXISTS (SELECT 1 FROM loan WHERE deadline NOT BETWEEN 0 AND ?1);

-- name: tally_presence
-- Whether there is an item of each state, in their order.
SELECT EXISTS (SELECT 1 FROM item WHERE state = 0),
    EXISTS (SELECT 1
        FROM lease CROSS JOIN json_each(lease.items) AS held CROSS JOIN item ON item.seq = held.value
        WHERE lease.due >= 0 AND item.state = 1 AND item.lease = lease.id),
    EXISTS (SELECT 1 FROM item WHERE state = 2), EXISTS (SELECT 1 FROM item WHERE state = 3),
    EXISTS (SELECT 1 FROM item WHERE state = 4);

-- name: tally_count
-- What all items count for, in the order of the table: sorting them would take memory.
SELECT client, state, remaining FROM item NOT INDEXED;

-- name: tally_save
-- Saves the counts, the queue clock and virtual time; part of each batch.
-- ?1 clock, ?2 waiting, ?3 leased, ?4 done, ?5 pulled, ?6 cancelled, ?7 remaining,
-- ?8 number of the batch, ?9 wall time, ?10 virtual time, ?11 the greatest finish, ?12 what is paused
UPDATE tally SET clock = ?1, waiting = ?2, leased = ?3, done = ?4, pulled = ?5, cancelled = ?6,
    remaining = ?7, batch = ?8, wall = ?9, virtual = ?10, top = ?11, paused = ?12
WHERE one = 1;

-- name: tally_check
-- Saves the check over all batches so far. The check does not cover this change.
-- ?1 check
UPDATE tally SET batch_check = ?1 WHERE one = 1;

-- name: tally_backed_up
-- Saves when the last backup was made.
-- ?1 wall time
UPDATE tally SET backed_up = ?1 WHERE one = 1;

-- name: identity
-- The identity of this database.
SELECT id, node, epoch, backup, coalesce(restored, -1) FROM identity WHERE one = 1;

-- name: identity_node
-- Gives a database of a version without identities to the node that opens it first.
-- ?1 NODE
UPDATE identity SET node = ?1 WHERE node = -1;

-- name: identity_new
-- Makes a new database that of a node.
-- ?1 NODE, ?2 the least epoch
UPDATE identity SET node = ?1, epoch = max(epoch, ?2);

-- name: data_version
-- A number that changes when another connection commits.
PRAGMA data_version;

-- name: page_count
-- The database's size in pages, with the batch under way.
PRAGMA page_count;

-- name: freelist_count
-- The number of unused pages.
PRAGMA freelist_count;

-- name: schema_strange
-- How much a schema contains that no database of a node does: what runs by itself, or is no table of its own. Views of
-- versions before 6 had other names.
-- ?1 its version
SELECT count(*) FROM sqlite_schema
WHERE type NOT IN ('table', 'index', 'view')
    OR (type = 'table' AND (rootpage = 0 OR sql NOT GLOB 'CREATE TABLE *'))
    OR (type = 'view' AND ?1 >= 6 AND name NOT IN
        ('queue', 'items', 'workers', 'machines', 'decisions', 'slowest', 'throughput'));

-- name: schema_shape
-- The columns of all tables and indexes, and what kind of index each is.
SELECT t.type, t.name, t.tbl_name, c.cid, c.name, c.type, c."notnull", c.dflt_value, c.pk, c.hidden
FROM sqlite_schema AS t, pragma_table_xinfo(t.name) AS c
WHERE t.type = 'table' AND t.name NOT GLOB 'sqlite_*'
UNION ALL
SELECT i.type, i.name, i.tbl_name, c.seqno, c.name, c."desc", c.coll, c.key, NULL, NULL
FROM sqlite_schema AS i, pragma_index_xinfo(i.name) AS c
WHERE i.type = 'index'
UNION ALL
SELECT 'kind', t.name, i.name, i."unique", i.origin, i.partial, NULL, NULL, NULL, NULL
FROM sqlite_schema AS t, pragma_index_list(t.name) AS i
WHERE t.type = 'table'
ORDER BY 1, 2, 3, 4;

-- name: backup_mark
-- Marks a copy or a salvaged database as a backup, in one file without a WAL.
PRAGMA journal_mode = DELETE;
UPDATE identity SET backup = 1;

-- name: merged_items
-- The number of items that only programs of schema version 5 can deal with: kept for another node; given to it
-- and not handed out yet; asked for and not arrived yet; open ones that came from another node, where clients
-- would look for their ids. Plus 1 when the other node was not yet asked what happened since a backup.
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
-- Removes the closed items of schema version 5 that came from another node.
-- ?1 NODE
DELETE FROM item WHERE state >= 3 AND (
        (instr('0123456789ABCDEF', substr(hex(id), 17, 1)) - 1) % 4 * 64
        + (instr('0123456789ABCDEF', substr(hex(id), 18, 1)) - 1) * 4
        + (instr('0123456789ABCDEF', substr(hex(id), 19, 1)) - 1) / 4) <> ?1;

-- name: views_now
-- The views as they are in the file.
SELECT sql FROM sqlite_schema WHERE type = 'view';

-- name: identity_accept
-- Makes a backup, or a superseded database, one that may be served.
-- ?1 epoch
UPDATE identity SET backup = 0, epoch = ?1, restored = (SELECT clock FROM tally WHERE one = 1);

-- name: identity_fetched
-- Notes that the database was taken from the replica at the other node.
UPDATE identity SET backup = 0, restored = (SELECT clock FROM tally WHERE one = 1);

-- name: empty_wal
-- Copies all of the WAL into the database's file and empties it. 0 when nobody was in the way.
PRAGMA wal_checkpoint(TRUNCATE);

-- name: whole
-- Checks every page of the file: "ok", or what is wrong.
PRAGMA quick_check(1);
