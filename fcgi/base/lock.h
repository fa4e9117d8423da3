#ifndef HASHMILL_LOCK_H
#define HASHMILL_LOCK_H

#include <stdint.h>

/* Takes the lock of a file, and makes the file if it is missing. The lock lasts as long as the
 * descriptor is open here or in a child. Waits at most wait_ms for another process. Returns the
 * descriptor; -1 with errno: EWOULDBLOCK when another process keeps the lock. */
int lock_take(const char *path, int64_t wait_ms);

#endif
