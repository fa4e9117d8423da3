#ifndef HASHMILL_ROW_ORDER_H
#define HASHMILL_ROW_ORDER_H

#include "batch_rows.h"

/* The order of rows by batch_order_key, as a skip list (W. Pugh, "Skip Lists: A Probabilistic
 * Alternative to Balanced Trees", CACM 33(6), 1990) whose links are in the rows. Rows of one state
 * are together, and in it those of one group and lease. */

/* Below 0, 0 or above 0 as a comes before, with or behind b. */
int row_order_compare(const struct batch_order_key *a, const struct batch_order_key *b);

/* Puts a row, whose key is set and not in the order, into it; takes it out. */
void row_order_insert(struct batch_rows *rows, struct batch_row *row);
void row_order_remove(struct batch_rows *rows, struct batch_row *row);

/* The first row whose key is `key` or behind it; the last one before it. NULL: none. */
struct batch_row *row_order_from(struct batch_rows *rows, const struct batch_order_key *key);
struct batch_row *row_order_before(struct batch_rows *rows, const struct batch_order_key *key);

/* The row behind one that is in the order; NULL: none. */
struct batch_row *row_order_next(struct batch_rows *rows, const struct batch_row *row);

#endif
