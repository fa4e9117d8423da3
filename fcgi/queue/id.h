#ifndef HASHMILL_ID_H
#define HASHMILL_ID_H

#include <stdbool.h>

#include "queue.h"

enum { ID_TEXT_SIZE = 37 }; /* characters of a UUID with the NUL */

/* Makes a UUIDv7 (RFC 9562, section 5.7): 48 bits of wall time in milliseconds, then random bits.
 * The first 8 bits of rand_b carry node, 0..255. */
struct uuid id_new(int node);

/* The number of the node that made an id. */
int id_node(struct uuid id);

/* Reads the usual form of 36 characters, either case. False when text is anything else. */
bool id_parse(struct uuid *id, const char *text);

/* Writes the usual lower-case form and a NUL. */
void id_format(char text[ID_TEXT_SIZE], struct uuid id);

#endif
