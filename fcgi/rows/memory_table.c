#include "memory_table.h"

#include <stdio.h>

enum { ROWS_USUAL = 500 }; /* for SQLite's plans */

struct table {
    sqlite3_vtab base; /* SQLite's part; must be the first member */
    const struct memory_table *rows;
};

struct cursor {
    sqlite3_vtab_cursor base;
    int row;
};

static const struct memory_table *rows_of(const sqlite3_vtab_cursor *cursor) {
    return ((const struct table *)(const void *)cursor->pVtab)->rows;
}

static struct cursor *cursor_of(sqlite3_vtab_cursor *base) {
    return (struct cursor *)(void *)base;
}

static int table_connect(sqlite3 *database, void *context, int argc, const char *const *argv,
                         sqlite3_vtab **made, char **why) {
    const struct memory_table *rows = context;
    char text[200];
    (void)argc;
    (void)argv;
    (void)why;
    struct table *table = sqlite3_malloc(sizeof *table);
    if (!table)
        return SQLITE_NOMEM;
    *table = (struct table){.rows = rows};
    *made = &table->base;
    snprintf(text, sizeof text, "CREATE TABLE %s (%s)", rows->name, rows->columns);
    return sqlite3_declare_vtab(database, text);
}

static int table_disconnect(sqlite3_vtab *table) {
    sqlite3_free(table);
    return SQLITE_OK;
}

/* The only plan is to read all rows in order. */
static int table_best_index(sqlite3_vtab *table, sqlite3_index_info *info) {
    (void)table;
    info->estimatedCost = ROWS_USUAL;
    info->estimatedRows = ROWS_USUAL;
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
    cursor_of(base)->row = rows_of(base)->first;
    return SQLITE_OK;
}

static int cursor_next(sqlite3_vtab_cursor *base) {
    cursor_of(base)->row++;
    return SQLITE_OK;
}

static int cursor_eof(sqlite3_vtab_cursor *base) {
    return cursor_of(base)->row >= rows_of(base)->end;
}

static int cursor_column(sqlite3_vtab_cursor *base, sqlite3_context *to, int column) {
    const struct memory_table *rows = rows_of(base);
    rows->value(rows, cursor_of(base)->row, column, to);
    return SQLITE_OK;
}

static int cursor_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid) {
    *rowid = cursor_of(base)->row;
    return SQLITE_OK;
}

bool memory_table_register(sqlite3 *database, struct memory_table *table) {
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
    return sqlite3_create_module(database, table->name, &module, table) == SQLITE_OK;
}
