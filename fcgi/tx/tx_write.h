#ifndef HASHMILL_BATCH_WRITE_H
#define HASHMILL_BATCH_WRITE_H

#include "batch.h"

/* Adds the statements to the pipeline that write what the batch has changed of items and leases.
 * False, with a fault, for a row that must not be changed. */
bool batch_write_items(struct batch *batch);
bool batch_write_leases(struct batch *batch);

#endif
