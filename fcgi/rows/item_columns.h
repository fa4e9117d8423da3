#ifndef HASHMILL_ITEM_COLUMNS_H
#define HASHMILL_ITEM_COLUMNS_H

#include <sqlite3.h>

#include "queue/queue_peers.h"

/* The number of columns that the statement look and every pull statement start with: id, chain,
 * iterations, remaining, state, strikes, enqueued_wall, done_wall. */
enum { ITEM_COLUMNS = 8 };

/* Reads these columns. False when a blob has the wrong size: the database is damaged. */
bool item_columns_read(sqlite3_stmt *row, struct queue_item *item);

#endif
