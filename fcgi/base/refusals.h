#ifndef HASHMILL_REFUSALS_H
#define HASHMILL_REFUSALS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Calls whose credential was refused, counted over all processes of a server: in memory that they
 * share. Each address has at most one line a minute in the log.
 */

/* Makes the memory; once, before the first fork. False, with errno, when there is none. */
bool refusals_open(void);

/* Counts one, of a caller at this address, and logs it. */
void refusals_note(const char *address, const char *why);

/* How many there were since the server was started or reloaded. */
int64_t refusals_count(void);

#endif
