#ifndef HASHMILL_CHANGES_H
#define HASHMILL_CHANGES_H

/*
 * The changes of a batch, for the replica at the peer: a patchset in the format of SQLite's session
 * extension, which fcgi/replica/replay.c applies. The preupdate hook below that extension writes
 * the patchset, row by row in the order of the changes. A session would prepare statements of its
 * own for each table in each batch, which costs a small batch several times what the batch itself
 * does.
 *
 *     table:  'P' | columns, varint | for each column 1 when it is of the key | name NUL
 *     row:    operation | 0 | values: of an insert all; of an update the key and the changed ones,
 *             0 for each other; of a delete the key
 *     value:  type | integer: 8 bytes, big-endian; text and blob: size, varint | bytes; NULL: none
 *
 * The key of every table is its first column.
 */

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

#include "buffer.h"

struct changes {
    struct buffer bytes; /* the patchset so far */
    char table[32];      /* of the last row in it */
    size_t mark;         /* its length before the statement under way */
    bool on;
    bool failed; /* a change could not be recorded */
};

/* Installs the hook on a connection. changes, all zeros, must live until changes_free. */
void changes_watch(struct changes *changes, sqlite3 *database);

/* Removes the hook and frees the patchset. */
void changes_free(struct changes *changes, sqlite3 *database);

/* Starts to record, at the beginning of a batch. */
void changes_begin(struct changes *changes);

/* Stops recording, at the end of a batch. */
void changes_end(struct changes *changes);

/* Marks the beginning of a statement. */
void changes_mark(struct changes *changes);

/* Drops the changes since the last mark: its statement has failed and so changed nothing. */
void changes_undo(struct changes *changes);

#endif
