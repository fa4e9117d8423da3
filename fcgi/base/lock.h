#ifndef HASHMILL_LOCK_H
#define HASHMILL_LOCK_H

#include <stdint.h>

/* Takes the lock of a file, which is made if it is not there, for as long as the descriptor is open
 * here or in a child; waits wait_ms at most for another process that has it. -1 with errno:
 * EWOULDBLOCK when that keeps it. */
int lock_take(const char *path, int64_t wait_ms);

#endif
