#include "enqueue_table.h"

enum column {
    COLUMN_ID,
    COLUMN_DIGEST,
    COLUMN_ITERATIONS,
    COLUMN_STATE,
    COLUMN_RANK,
    COLUMN_KEY,
    COLUMN_CLIENT
};

static void give(const struct memory_table *table, int n, int column, sqlite3_context *to) {
    const struct enqueued_row *row = &((const struct enqueue_table *)(const void *)table)->rows[n];
    switch ((enum column)column) {
    case COLUMN_ID:
        sqlite3_result_blob(to, row->id.bytes, ID_SIZE, SQLITE_STATIC);
        break;
    case COLUMN_DIGEST:
        sqlite3_result_blob(to, row->digest, DIGEST_SIZE, SQLITE_STATIC);
        break;
    case COLUMN_ITERATIONS:
        sqlite3_result_int64(to, row->iterations);
        break;
    case COLUMN_STATE:
        sqlite3_result_int(to, (int)row->state);
        break;
    case COLUMN_RANK:
        sqlite3_result_int64(to, row->rank);
        break;
    case COLUMN_KEY:
        if (row->key[0] != '\0')
            sqlite3_result_text(to, row->key, -1, SQLITE_STATIC);
        break;
    case COLUMN_CLIENT:
        sqlite3_result_int64(to, row->client);
        break;
    }
}

bool enqueue_table_register(sqlite3 *database, struct enqueue_table *rows) {
    rows->table =
        (struct memory_table){.name = "enqueued",
                              .columns = "id, digest, iterations, state, rank, key, client",
                              .value = give};
    return memory_table_register(database, &rows->table);
}
