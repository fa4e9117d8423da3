#ifndef HASHMILL_TX_COLUMNS_H
#define HASHMILL_TX_COLUMNS_H

#include "postgres/pg_link.h"
#include "tx_rows.h"

/* Reads a row of an answer of sql/postgres/items_read.sql: the columns that all tables have, then
 * those of its own. False, with a fault, when one is not as it must be. */
bool tx_columns_read(struct pg_link *link, int answer, int row, struct item_row *item,
                     const char **place);

#endif
