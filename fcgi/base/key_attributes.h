#ifndef HASHMILL_KEY_ATTRIBUTES_H
#define HASHMILL_KEY_ATTRIBUTES_H

#include "keys.h"

/* What may stand in a line of the keys file behind the hash. The forms are in keys.h. */

/* Reads the attributes of a line, blank-separated, such as "until=2027-01-31 weight=3", and gives
 * the others their defaults. key->role must be set. Changes the text. False with the remedy in
 * why. */
bool key_read_attributes(struct key *key, char *attributes, char *why, size_t why_size);

/* A name with two keys that differ in weight or quotas; points into list. NULL when there is none.
 * Takes n log n comparisons. */
const char *key_disagreeing(const struct key *list, int count);

#endif
