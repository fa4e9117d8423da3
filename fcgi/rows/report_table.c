#include "report_table.h"

#include <stddef.h>

enum column {
    COLUMN_N,
    COLUMN_ID,
    COLUMN_SEQ,
    COLUMN_STATE,
    COLUMN_CHAIN,
    COLUMN_REMAINING,
    COLUMN_STRIKE
};

struct table {
    sqlite3_vtab base; /* SQLite's part; must be the first member */
    const struct report_table *rows;
};

struct cursor {
    sqlite3_vtab_cursor base;
    int n;
};

static const struct report_table *report_table_of(const sqlite3_vtab_cursor *cursor) {
    return ((const struct table *)(const void *)cursor->pVtab)->rows;
}

static struct cursor *cursor_of(sqlite3_vtab_cursor *base) {
    return (struct cursor *)(void *)base;
}

static int table_connect(sqlite3 *database, void *rows, int argc, const char *const *argv,
                         sqlite3_vtab **made, char **why) {
    (void)argc;
    (void)argv;
    (void)why;
    struct table *table = sqlite3_malloc(sizeof *table);
    if (!table)
        return SQLITE_NOMEM;
    *table = (struct table){.rows = rows};
    *made = &table->base;
    return sqlite3_declare_vtab(
        database, "CREATE TABLE reported (n, id, seq, state, chain, remaining, strike)");
}

static int table_disconnect(sqlite3_vtab *table) {
    sqlite3_free(table);
    return SQLITE_OK;
}

/* The only plan is to read all rows in order. */
static int table_best_index(sqlite3_vtab *table, sqlite3_index_info *info) {
    (void)table;
    info->estimatedCost = QUEUE_LEASE_MAX;
    info->estimatedRows = QUEUE_LEASE_MAX;
    return SQLITE_OK;
}

static int cursor_open(sqlite3_vtab *table, sqlite3_vtab_cursor **made) {
    (void)table;
    struct cursor *cursor = sqlite3_malloc(sizeof *cursor);
    if (!cursor)
        return SQLITE_NOMEM;
    *cursor = (struct cursor){0};
    *made = &cursor->base;
    return SQLITE_OK;
}

static int cursor_close(sqlite3_vtab_cursor *base) {
    sqlite3_free(base);
    return SQLITE_OK;
}

static int cursor_filter(sqlite3_vtab_cursor *base, int plan, const char *text, int argc,
                         sqlite3_value **argv) {
    (void)plan;
    (void)text;
    (void)argc;
    (void)argv;
    cursor_of(base)->n = report_table_of(base)->first;
    return SQLITE_OK;
}

static int cursor_next(sqlite3_vtab_cursor *base) {
    cursor_of(base)->n++;
    return SQLITE_OK;
}

static int cursor_eof(sqlite3_vtab_cursor *base) {
    return cursor_of(base)->n >= report_table_of(base)->end;
}

static int cursor_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column) {
    const struct report_table *rows = report_table_of(base);
    int n = cursor_of(base)->n;
    const struct queue_report_item *item = &rows->items[n];
    switch ((enum column)column) {
    case COLUMN_N:
        sqlite3_result_int(context, n);
        break;
    case COLUMN_ID:
        sqlite3_result_blob(context, item->id.bytes, ID_SIZE, SQLITE_STATIC);
        break;
    case COLUMN_SEQ:
        if (rows->seq[n] != 0)
            sqlite3_result_int64(context, rows->seq[n]);
        break;
    case COLUMN_STATE:
        sqlite3_result_int(context, rows->state[n]);
        break;
    case COLUMN_CHAIN:
        sqlite3_result_blob(context, item->chain, DIGEST_SIZE, SQLITE_STATIC);
        break;
    case COLUMN_REMAINING:
        sqlite3_result_int64(context, item->remaining);
        break;
    case COLUMN_STRIKE:
        sqlite3_result_int(context, rows->strike[n]);
        break;
    }
    return SQLITE_OK;
}

static int cursor_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid) {
    *rowid = cursor_of(base)->n;
    return SQLITE_OK;
}

bool report_table_register(sqlite3 *database, struct report_table *rows) {
    /* Without xCreate the table exists by its name alone, and is nowhere in the file. */
    static const sqlite3_module module = {.xConnect = table_connect,
                                          .xBestIndex = table_best_index,
                                          .xDisconnect = table_disconnect,
                                          .xOpen = cursor_open,
                                          .xClose = cursor_close,
                                          .xFilter = cursor_filter,
                                          .xNext = cursor_next,
                                          .xEof = cursor_eof,
                                          .xColumn = cursor_column,
                                          .xRowid = cursor_rowid};
    return sqlite3_create_module(database, "reported", &module, rows) == SQLITE_OK;
}
