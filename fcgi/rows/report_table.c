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

/* The place of the item with a seq. Statements ask by rising seqs, and mostly a report has its
 * items in that order: so it is looked for from the last one on. -1: there is none. */
static int place_of(struct report_table *rows, int64_t seq) {
    int count = rows->table.end - rows->table.first;
    for (int i = 0; i < count; i++) {
        int n = rows->table.first + (rows->last - rows->table.first + i) % count;
        if (rows->seq[n] == seq) {
            rows->last = n;
            return n;
        }
    }
    return -1;
}

/* reported_chain(seq) */
static void chain_of(sqlite3_context *context, int argc, sqlite3_value **argv) {
    struct report_table *rows = sqlite3_user_data(context);
    (void)argc;
    int n = place_of(rows, sqlite3_value_int64(argv[0]));
    if (n >= 0)
        sqlite3_result_blob(context, rows->items[n].chain, DIGEST_SIZE, SQLITE_STATIC);
}

bool report_table_register(sqlite3 *database, struct report_table *rows) {
    rows->table = (struct memory_table){.name = "reported",
                                        .columns = "n, id, seq, state, chain, remaining, strike",
                                        .value = give};
    return memory_table_register(database, &rows->table) &&
           sqlite3_create_function(database, "reported_chain", 1, SQLITE_UTF8 | SQLITE_DIRECTONLY,
                                   rows, chain_of, NULL, NULL) == SQLITE_OK;
}
