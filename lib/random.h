#ifndef HASHMILL_RANDOM_H
#define HASHMILL_RANDOM_H

#include <stddef.h>

/* Fills memory with unpredictable random bytes. Logs and ends the process on a system that has
 * none. */
void random_fill(void *to, size_t size);

#endif
