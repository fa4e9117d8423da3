#ifndef HASHMILL_TX_WRITE_H
#define HASHMILL_TX_WRITE_H

#include "tx.h"

/* Adds the statements to the pipeline that write what the batch has changed of items and leases.
 * False, with a fault, for a row that must not be changed. */
bool tx_write_items(struct tx *tx);
bool tx_write_leases(struct tx *tx);

#endif
