#ifndef HASHMILL_HISTORY_COLUMNS_H
#define HASHMILL_HISTORY_COLUMNS_H

#include <sqlite3.h>

#include "queue/queue_history.h"

/* A row of the table history. */
struct history_row {
    int64_t at; /* Unix time in seconds: its start */
    int64_t width;
    struct queue_step step;
};

/* Reads the columns of history_row and history_rows. A number that no program saves becomes the
 * nearest that makes sense: sums of them stay in their range. */
void history_columns_read(sqlite3_stmt *row, struct history_row *history);

/* Adds a later step to one. */
void history_join(struct queue_step *step, const struct queue_step *later);

#endif
