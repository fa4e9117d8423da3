/* The history as the read-only connection sees it. */

#include <string.h>

#include "parts.h"
#include "rows/history_columns.h"

/* Adds a row to the step that it is in. */
static void take(struct queue_history *history, sqlite3_stmt *row) {
    struct history_row found;
    history_columns_read(row, &found);
    int64_t step = (found.at - history->from) / history->step_seconds;
    if (found.width <= history->step_seconds && step >= 0 && step < history->count)
        history_join(&history->steps[step], &found.step);
}

enum queue_result sqlite_reader_history(struct reader *base, struct queue_history *history) {
    struct sqlite_reader *reader = sqlite_reader_of(base);
    sqlite3_stmt *rows = reader_statement(reader, SQL_HISTORY_ROWS);
    int code;
    memset(history->steps, 0, (size_t)history->count * sizeof *history->steps);
    if (!rows)
        return QUEUE_DOWN;
    sqlite3_bind_int64(rows, 1, history->from);
    sqlite3_bind_int64(rows, 2, history->from + (int64_t)history->count * history->step_seconds);
    while ((code = sqlite3_step(rows)) == SQLITE_ROW)
        take(history, rows);
    sqlite3_reset(rows); /* no read transaction may outlive the request */
    return code == SQLITE_DONE ? QUEUE_OK : reader_failed(reader, code);
}
