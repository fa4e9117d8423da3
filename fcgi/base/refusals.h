#ifndef HASHMILL_REFUSALS_H
#define HASHMILL_REFUSALS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * What an operator should know of callers, over all processes of a server: in memory that they
 * share. Calls whose credential was refused are counted, with at most one line a minute and address
 * in the log; and calls over a network where nobody needs a credential.
 */

/* Makes the memory; once, before the first fork. False, with errno, when there is none. */
bool refusals_open(void);

/* Counts one, of a caller at this address, and logs it. */
void refusals_note(const char *address, const char *why);

/* Warns, once an hour at most, that clients without a key were served over a network: at this
 * address of the machine. */
void refusals_note_open(const char *address);

/* How many refusals there were since the server was started or reloaded. */
int64_t refusals_count(void);

#endif
