#ifndef HASHMILL_CHANGES_H
#define HASHMILL_CHANGES_H

/*
 * What a batch changes, for the replica at the peer: a patchset in the format of SQLite's session
 * extension, in which fcgi/replica/replay.c applies it. It is written here, row by row in the order
 * in which rows change, out of the hook below that extension: a session would prepare statements of
 * its own for each table in each batch, which costs a small batch several times what the batch
 * itself does.
 *
 *     table:  'P' | columns, varint | for each column 1 when it is of the key | name NUL
 *     row:    operation | 0 | values: of an insert all; of an update the key and what has changed,
 *             the others 0; of a delete the key
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
    bool failed; /* something changed that cannot be written down */
};

/* Has SQLite tell of each row that it changes; changes, all zeros, must outlive that. */
void changes_watch(struct changes *changes, sqlite3 *database);

/* Ends that, and frees what was written. */
void changes_free(struct changes *changes, sqlite3 *database);

/* A batch begins: from now on everything is written down. */
void changes_begin(struct changes *changes);

/* It ends: nothing is, any more. */
void changes_end(struct changes *changes);

/* A statement begins. */
void changes_mark(struct changes *changes);

/* The one that began last has failed: it has changed nothing. */
void changes_undo(struct changes *changes);

#endif
