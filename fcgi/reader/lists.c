/* Lists of items as the read-only connection sees them. */

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "parts.h"
#include "rows/item_columns.h"

enum { LOOKED_AT_MAX = 10000 }; /* items that one page of those in one state looks at */

/* The statement for a list, which gives one row more than it may need. */
static sqlite3_stmt *bind(struct sqlite_reader *reader, const struct queue_list *list) {
    static const struct uuid behind_all = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
    const struct uuid *after = list->has_after ? &list->after : &behind_all;
    sqlite3_stmt *rows = reader_statement(reader, list->whose.all ? SQL_LIST_ALL : SQL_LIST_CLIENT);
    if (!rows)
        return NULL;
    sqlite3_bind_blob(rows, 1, after->bytes, ID_SIZE, SQLITE_STATIC);
    sqlite3_bind_int(rows, 2, (list->state < 0 ? list->limit : LOOKED_AT_MAX) + 1);
    if (!list->whose.all)
        sqlite3_bind_text(rows, 3, list->whose.client, -1, SQLITE_STATIC);
    return rows;
}

/* Adds a row to the page if it is of the list. False when the database is damaged. */
static bool take(struct queue_page *page, const struct queue_list *list, sqlite3_stmt *row) {
    struct queue_listed *listed = &page->items[page->count];
    const char *client = list->whose.client;
    if (!item_columns_read(row, &listed->item))
        return false;
    page->end = listed->item.id;
    if (list->state >= 0 && listed->item.state != list->state)
        return true;
    if (list->whose.all)
        client = (const char *)sqlite3_column_text(row, ITEM_COLUMNS);
    snprintf(listed->client, sizeof listed->client, "%s", client ? client : "");
    page->count++;
    return true;
}

/* Fills the page from the statement. Returns SQLite's code. */
static int fill(struct queue_page *page, const struct queue_list *list, sqlite3_stmt *rows) {
    int code;
    int looked_at = 0;
    while ((code = sqlite3_step(rows)) == SQLITE_ROW) {
        if (page->count == list->limit || looked_at == LOOKED_AT_MAX) {
            page->more = 1;
            return SQLITE_DONE;
        }
        if (!take(page, list, rows))
            return SQLITE_CORRUPT;
        looked_at++;
    }
    return code;
}

enum queue_result sqlite_reader_list(struct reader *base, const struct queue_list *list,
                                     struct queue_page *page) {
    struct sqlite_reader *reader = sqlite_reader_of(base);
    memset(page, 0, offsetof(struct queue_page, items));
    page->known = 1;
    sqlite3_stmt *rows = bind(reader, list);
    if (!rows)
        return QUEUE_DOWN;
    int code = fill(page, list, rows);
    sqlite3_reset(rows); /* no read transaction may outlive the request */
    return code == SQLITE_DONE ? QUEUE_OK : reader_failed(reader, code);
}

enum queue_result sqlite_reader_list_then(struct reader *base, const struct queue_list *list,
                                          struct queue_page *page) {
    struct sqlite_reader *reader = sqlite_reader_of(base);
    int64_t wall_ms = 0;
    enum queue_result result = reader_wall(reader, &wall_ms);
    if (result == QUEUE_OK)
        result = sqlite_reader_list(base, list, page);
    page->as_of_ms = wall_ms;
    return reader_moved(reader) ? QUEUE_DOWN : result;
}
