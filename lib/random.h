#ifndef HASHMILL_RANDOM_H
#define HASHMILL_RANDOM_H

#include <stddef.h>

/* Fills memory with random bytes that nobody can guess. Ends the process, after logging why, on a
 * system that has none. */
void random_fill(void *to, size_t size);

#endif
