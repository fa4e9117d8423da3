#include "row.h"

#include <string.h>

bool row_item(sqlite3_stmt *row, struct queue_item *item) {
    const void *id = sqlite3_column_blob(row, 0);
    const void *chain = sqlite3_column_blob(row, 1);
    if (!id || sqlite3_column_bytes(row, 0) != ID_SIZE || !chain ||
        sqlite3_column_bytes(row, 1) != DIGEST_SIZE)
        return false;
    memcpy(item->id.bytes, id, ID_SIZE);
    memcpy(item->chain, chain, DIGEST_SIZE);
    item->iterations = sqlite3_column_int64(row, 2);
    item->remaining = sqlite3_column_int64(row, 3);
    item->state = sqlite3_column_int(row, 4);
    item->strikes = sqlite3_column_int(row, 5);
    item->enqueued_wall_ms = sqlite3_column_int64(row, 6);
    item->completed_wall_ms = sqlite3_column_int64(row, 7);
    return true;
}
