#include "item_columns.h"

#include <string.h>

/* Copies a blob of exactly size bytes. False for another size. */
static bool blob(sqlite3_stmt *row, int column, void *to, int size) {
    const void *found = sqlite3_column_blob(row, column);
    if (!found || sqlite3_column_bytes(row, column) != size)
        return false;
    memcpy(to, found, (size_t)size);
    return true;
}

bool item_columns_read(sqlite3_stmt *row, struct queue_item *item) {
    if (!blob(row, 0, item->id.bytes, ID_SIZE) || !blob(row, 1, item->chain, DIGEST_SIZE))
        return false;
    item->iterations = sqlite3_column_int64(row, 2);
    item->remaining = sqlite3_column_int64(row, 3);
    item->state = sqlite3_column_int(row, 4);
    item->strikes = sqlite3_column_int(row, 5);
    item->enqueued_wall_ms = sqlite3_column_int64(row, 6);
    item->completed_wall_ms = sqlite3_column_int64(row, 7);
    return true;
}
