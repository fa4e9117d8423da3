#ifndef HASHMILL_ENQUEUE_TABLE_H
#define HASHMILL_ENQUEUE_TABLE_H

#include "memory_table.h"
#include "queue/queue.h"

/*
 * New items whose rows are not stored yet, as a table `enqueued` of the writer's connection, so
 * that one statement stores all of them. Columns: id, digest, iterations, state, rank, key (NULL:
 * none), client.
 */
enum { ENQUEUE_TABLE_MAX = 64 };

struct enqueued_row {
    struct uuid id;
    uint8_t digest[DIGEST_SIZE];
    int64_t iterations;
    enum item_state state;
    int64_t rank;
    int64_t client;           /* its seq */
    char key[QUEUE_KEY_SIZE]; /* "" for none */
};

struct enqueue_table {
    struct memory_table table; /* its rows are rows[0] to rows[end - 1]; the first member */
    struct enqueued_row rows[ENQUEUE_TABLE_MAX];
};

/* Adds the table, without rows, to a connection. */
bool enqueue_table_register(sqlite3 *database, struct enqueue_table *rows);

#endif
