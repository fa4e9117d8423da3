#ifndef HASHMILL_ROW_ORDER_H
#define HASHMILL_ROW_ORDER_H

#include "tx_rows.h"

/* The order of rows by tx_order_key, as a skip list (W. Pugh, "Skip Lists: A Probabilistic
 * Alternative to Balanced Trees", CACM 33(6), 1990) whose links are in the rows. Rows of one state
 * are together, and in it those of one group and lease. */

/* Below 0, 0 or above 0 as a comes before, with or behind b. */
int row_order_compare(const struct tx_order_key *a, const struct tx_order_key *b);

/* Puts a row, whose key is set and not in the order, into it; takes it out. */
void row_order_insert(struct tx_rows *rows, struct tx_row *row);
void row_order_remove(struct tx_rows *rows, struct tx_row *row);

/* The first row whose key is `key` or behind it; the last one before it. NULL: none. */
struct tx_row *row_order_from(struct tx_rows *rows, const struct tx_order_key *key);
struct tx_row *row_order_before(struct tx_rows *rows, const struct tx_order_key *key);

/* The row behind one that is in the order; NULL: none. */
struct tx_row *row_order_next(struct tx_rows *rows, const struct tx_row *row);

#endif
