/* What each client has, as the read-only connection sees it. */

#include <stdio.h>

#include "parts.h"

enum { NAME, REMAINING, ITEMS }; /* the columns of clients_counts */

static void take(struct queue_clients *clients, sqlite3_stmt *row) {
    const char *name = (const char *)sqlite3_column_text(row, NAME);
    int at = clients->count++;
    snprintf(clients->list[at].name, QUEUE_NAME_SIZE, "%s", name ? name : "");
    clients->list[at].remaining = sqlite3_column_int64(row, REMAINING);
    for (int state = 0; state < ITEM_STATES; state++)
        clients->list[at].items[state] = sqlite3_column_int64(row, ITEMS + state);
}

enum queue_result sqlite_reader_clients(struct reader *base, struct queue_clients *clients) {
    struct sqlite_reader *reader = sqlite_reader_of(base);
    int code = SQLITE_DONE;
    sqlite3_stmt *rows = reader_statement(reader, SQL_CLIENTS_COUNTS);
    clients->count = 0;
    if (!rows)
        return QUEUE_DOWN;
    sqlite3_bind_int(rows, 1, QUEUE_CLIENTS_MAX);
    while (clients->count < QUEUE_CLIENTS_MAX && (code = sqlite3_step(rows)) == SQLITE_ROW)
        take(clients, rows);
    sqlite3_reset(rows); /* no read transaction may outlive the request */
    bool whole = code == SQLITE_DONE || clients->count == QUEUE_CLIENTS_MAX;
    return whole ? QUEUE_OK : reader_failed(reader, code);
}
