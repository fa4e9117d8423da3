#include "report_table.h"

enum column {
    COLUMN_N,
    COLUMN_ID,
    COLUMN_SEQ,
    COLUMN_STATE,
    COLUMN_CHAIN,
    COLUMN_REMAINING,
    COLUMN_STRIKE
};

static void give(const struct memory_table *table, int n, int column, sqlite3_context *to) {
    const struct report_table *rows = (const struct report_table *)(const void *)table;
    const struct queue_report_item *item = &rows->items[n];
    switch ((enum column)column) {
    case COLUMN_N:
        sqlite3_result_int(to, n);
        break;
    case COLUMN_ID:
        sqlite3_result_blob(to, item->id.bytes, ID_SIZE, SQLITE_STATIC);
        break;
    case COLUMN_SEQ:
        if (rows->seq[n] != 0)
            sqlite3_result_int64(to, rows->seq[n]);
        break;
    case COLUMN_STATE:
        sqlite3_result_int(to, rows->state[n]);
        break;
    case COLUMN_CHAIN:
        sqlite3_result_blob(to, item->chain, DIGEST_SIZE, SQLITE_STATIC);
        break;
    case COLUMN_REMAINING:
        sqlite3_result_int64(to, item->remaining);
        break;
    case COLUMN_STRIKE:
        sqlite3_result_int(to, rows->strike[n]);
        break;
    }
}

bool report_table_register(sqlite3 *database, struct report_table *rows) {
    rows->table = (struct memory_table){.name = "reported",
                                        .columns = "n, id, seq, state, chain, remaining, strike",
                                        .value = give};
    return memory_table_register(database, &rows->table);
}
