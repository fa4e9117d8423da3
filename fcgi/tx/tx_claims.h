#ifndef HASHMILL_TX_CLAIMS_H
#define HASHMILL_TX_CLAIMS_H

#include "tx.h"

/* Adds statements to the pipeline that claim the keys which were not claimed yet. Returns the
 * answer for tx_claims_take; -1: there is none. */
int tx_claims_add(struct tx *tx);

/* Takes up who has the keys. False, with a fault, when an answer is not as it must be. */
bool tx_claims_take(struct tx *tx, int answer);

/* Adds statements that give claims back which came to nothing. */
void tx_claims_write(struct tx *tx);

#endif
