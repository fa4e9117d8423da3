#ifndef HASHMILL_REPLICA_PARTS_H
#define HASHMILL_REPLICA_PARTS_H

/* Shared by the files of the replica. Each uses only those before it: statements.c, files.c (names,
 * room, replacing one file by another), patchset.c, replay.c (the changes of a batch), replica.c
 * (opening, failing, giving it back), compare.c, copy.c (a whole copy), apply.c (batches). */

#include <sqlite3.h>

#include "base/files.h"
#include "base/paced.h"
#include "queue/replica.h"
#include "sql.h"

enum { REPLICA_PATH_SIZE = SETTING_TEXT_SIZE + 32 };

/* A copy being received. */
struct upload {
    struct paced file; /* its fd is -1 when there is none */
    struct uuid copy;
    int64_t next; /* number of the next part */
};

struct replica {
    const struct conf *conf;
    EVP_MD_CTX *sha256;
    int lock_fd;        /* holds the flock on DATABASE-replica-lock; -1 without */
    struct files files; /* the open ones */
    int file_fd;        /* for reading the file; closed after SQLite has closed it */
    sqlite3 *database;  /* NULL: no replica */
    sqlite3_stmt *statements[SQL_COUNT]; /* prepared when first used */
    struct replay *replay;               /* NULL: nothing was applied since the opening */
    struct replica_state state;
    bool incomplete; /* by its own row: clients were answered from batches that it lacked */
    bool taken;      /* all of it is in the file, and no change came since */
    int wal_pages;   /* in the WAL after the last commit */
    bool told;       /* the log says that there is no room */
    struct upload upload;
};

/* --- files.c --- */

/* The name of one of its files: DATABASE-replica and this end: "", "-wal", "-new" ... */
void replica_path(const struct replica *replica, const char *end, char path[REPLICA_PATH_SIZE]);

/* Whether the disk has room for this number of bytes and for what this node's own database may need
 * meanwhile; logged when it changes. */
bool replica_has_room(struct replica *replica, int64_t bytes);

/* Removes the database with this end, with its WAL and wal-index. */
void replica_remove(const struct replica *replica, const char *end);

/* Gives up the copy being received, if there is one. */
void replica_drop_upload(struct replica *replica);

/* Makes created, renamed and removed names durable. False after logging why. */
bool replica_sync_directory(const struct replica *replica);

/* Takes the lock that keeps other processes from all of the files. False after logging why. */
bool replica_lock(struct replica *replica);

/* Puts the file, which SQLite has closed, aside as DATABASE-replica-bad. */
void replica_put_aside(const struct replica *replica);

/* Makes DATABASE-replica-new, which is whole and durable, the replica. Any interruption leaves the
 * old or the new one; so the WAL of the old one must have been copied into its file before. With
 * keep the old one replaces DATABASE-replica-bad. False after logging why. */
bool replica_put_in_place(const struct replica *replica, bool keep);

/* --- statements.c --- */

/* A statement, reset. NULL when it cannot be prepared. */
sqlite3_stmt *replica_statement(struct replica *replica, enum sql sql);

/* Step a statement that returns no row, or one that is ignored, and reset it. Return SQLite's code,
 * SQLITE_OK on success. */
int replica_run(struct replica *replica, enum sql sql);
int replica_finish(sqlite3_stmt *statement);

/* --- replica.c --- */

/* Handles and logs the failure of a call of SQLite. FULL: a later try may succeed, the transaction
 * is rolled back; FAILED: the replica was put aside. */
enum replica_result replica_failed(struct replica *replica, int code, const char *what);

/* Opens the replica's file, if there is one. OK, NONE, FULL, FAILED. */
enum replica_result replica_load(struct replica *replica);

/* Reads the state of the open file. Returns SQLite's code; SQLITE_CORRUPT when a row is missing or
 * makes no sense. */
int replica_read_state(struct replica *replica);

/* Notes, durably, that no batch fits the replica any more. If that cannot be saved, replica_failed
 * handles it; a replica that stays open is bad until this process ends. */
void replica_note_bad(struct replica *replica);

/* Copies the WAL into the file; whole: all of it, and truncates it. Returns SQLite's code. A reader
 * in the way is an error only if whole. */
int replica_checkpoint(struct replica *replica, bool whole);

/* Checks that the open files still have their names. OK; NONE when one was removed or replaced
 * while it was in use, which is logged: the files are put aside, as nobody knows which belong
 * together. */
enum replica_result replica_look(struct replica *replica);

/* Closes the file: there is no replica until replica_load. */
void replica_shut(struct replica *replica);

/* --- apply.c --- */

/* Whether it is a good replica of the source's database at the source's epoch and schema version.
 * OK, NONE, OTHER, BAD. */
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

/* Makes the changes of a batch, in the open transaction. Returns SQLite's code; SQLITE_MISMATCH, or
 * that of a constraint, when a change cannot be made in its turn or by itself. The caller must undo
 * the changes before it then. */
int replica_replay(struct replica *replica, const struct batch_record *record);

/* Frees the tables' columns and statements. Call it before the file is closed. */
void replica_forget_tables(struct replica *replica);

#endif
