#ifndef HASHMILL_BATCH_CLAIMS_H
#define HASHMILL_BATCH_CLAIMS_H

#include "batch.h"

/* Adds statements to the pipeline that claim the keys which were not claimed yet. Returns the
 * answer for batch_claims_take; -1: there is none. */
int batch_claims_add(struct batch *batch);

/* Takes up who has the keys. False, with a fault, when an answer is not as it must be. */
bool batch_claims_take(struct batch *batch, int answer);

/* Adds statements that give claims back which came to nothing. */
void batch_claims_write(struct batch *batch);

#endif
