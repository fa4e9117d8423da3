#ifndef HASHMILL_REPLICA_PARTS_H
#define HASHMILL_REPLICA_PARTS_H

/* What the files of the replica share. Each uses those before it only: statements.c, files.c
 * (names, room, how one takes the place of another), patchset.c, replay.c (the changes of a batch),
 * schema.c (what a copy may contain), replica.c (opening, failing, giving it back), compare.c,
 * copy.c (a whole copy), apply.c (batches). */

#include <sqlite3.h>

#include "base/files.h"
#include "base/paced.h"
#include "queue/replica.h"
#include "sql.h"

enum { REPLICA_PATH_SIZE = SETTING_TEXT_SIZE + 32 };

/* A copy that is on its way. */
struct upload {
    struct paced file; /* its fd is -1 when there is none */
    struct uuid copy;
    int64_t next; /* number of the part that comes next */
};

struct replica {
    const struct conf *conf;
    EVP_MD_CTX *sha256;
    int lock_fd;        /* holds the flock on DATABASE-replica-lock; -1 without */
    struct files files; /* those that are open */
    int file_fd;        /* of the file, to be read from; closed when SQLite has closed it */
    sqlite3 *database;  /* NULL: there is none */
    sqlite3_stmt *statements[SQL_COUNT]; /* prepared when first used */
    struct replay *replay;               /* NULL: nothing was applied since it was opened */
    struct replica_state state;
    bool incomplete; /* as it says itself: clients were told what it lacked */
    bool taken;      /* all of it is in the file, which nothing has changed since */
    int wal_pages;   /* in the WAL behind the last commit */
    bool told;       /* the log says that nothing can be stored */
    struct upload upload;
};

/* --- files.c --- */

/* The name of one of its files, DATABASE-replica and what is behind that: "", "-wal", "-new" ... */
void replica_path(const struct replica *replica, const char *end, char path[REPLICA_PATH_SIZE]);

/* Whether the disk has room for this number of bytes and for what this node's own database
 * may need meanwhile; said in the log when that changes. */
bool replica_has_room(struct replica *replica, int64_t bytes);

/* Removes a database that has this end, with its WAL and index. */
void replica_remove(const struct replica *replica, const char *end);

/* Gives up a copy that is on its way, if there is one. */
void replica_drop_upload(struct replica *replica);

/* Makes names that came and went durable. False after logging why. */
bool replica_sync_directory(const struct replica *replica);

/* Takes the lock that keeps another process from all of the files. False after logging why. */
bool replica_lock(struct replica *replica);

/* Puts the file, which SQLite has closed, aside as DATABASE-replica-bad. */
void replica_put_aside(const struct replica *replica);

/* Makes of DATABASE-replica-new, which is whole and durable, the replica. The WAL of the one before
 * must have been copied into that; whatever interrupts this leaves the one or the other. With keep
 * the one before becomes DATABASE-replica-bad, in place of one that is there. False after logging
 * why. */
bool replica_put_in_place(const struct replica *replica, bool keep);

/* --- statements.c --- */

/* A statement, reset. NULL when it cannot be prepared. */
sqlite3_stmt *replica_statement(struct replica *replica, enum sql sql);

/* Steps a statement that returns no row, or the only row of one that is not wanted, and resets it.
 * SQLite's code, SQLITE_OK when all went well. */
int replica_run(struct replica *replica, enum sql sql);
int replica_finish(sqlite3_stmt *statement);

/* --- replica.c --- */

/* What the failure of a call of SQLite means, which is logged. FULL: it may go later, the
 * transaction is rolled back; FAILED: the replica was discarded. */
enum replica_result replica_failed(struct replica *replica, int code, const char *what);

/* Opens the file that is there, if there is one. OK, NONE, FULL, FAILED. */
enum replica_result replica_load(struct replica *replica);

/* Reads which database the open file is of. SQLite's code; SQLITE_CORRUPT when it has no row. */
int replica_read_state(struct replica *replica);

/* Notes, durably, that it fits no batch any more. When that cannot be saved it is logged, and holds
 * until this process ends. */
void replica_note_bad(struct replica *replica);

/* Copies the WAL into the file. SQLite's code, which is OK also when a reader is in the way of a
 * part, unless the WAL is to be cut to nothing. */
int replica_checkpoint(struct replica *replica, bool whole);

/* Sees to it that the files that are open are those that are found by their names. OK; NONE when
 * one was removed or replaced while it was in use, which is logged: what is there is put aside, as
 * nobody knows what of it belongs together. */
enum replica_result replica_look(struct replica *replica);

/* Closes the file: there is no replica any more until it is loaded. */
void replica_shut(struct replica *replica);

/* --- apply.c --- */

/* Whether it is a replica of that database at that epoch and schema, and a good one. OK, NONE,
 * OTHER, BAD. */
enum replica_result replica_fits(const struct replica *replica,
                                 const struct replica_source *source);

/* --- patchset.c --- */

/* Whether bytes are a whole patchset, of any tables. */
bool replica_is_patchset(const void *bytes, size_t size);

/* --- replay.c --- */

/* Whether the replica has this table, with that number of columns and this primary key: a byte for
 * each column, not 0 when it is of the key. */
bool replica_has_table(struct replica *replica, const char *name, int columns,
                       const unsigned char *key);

/* Makes the changes of a batch, in the transaction that is open. SQLite's code; SQLITE_MISMATCH, or
 * that of a constraint, when one cannot be made in its turn or by itself: those before it are to be
 * undone then. */
int replica_replay(struct replica *replica, const struct batch_record *record);

/* Forgets what is known of the tables, before the file is closed. */
void replica_forget_tables(struct replica *replica);

/* --- schema.c --- */

/* Whether a copy contains what a database of that schema version does, and nothing that runs by
 * itself or stands in place of a table. Of a version that is not this program's only the latter is
 * told. */
bool replica_schema_fits(sqlite3 *copy, int64_t version);

#endif
