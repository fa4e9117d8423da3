#ifndef HASHMILL_LOCK_HOLDER_H
#define HASHMILL_LOCK_HOLDER_H

#include <stdbool.h>

enum { LOCK_HOLDER_SIZE = 16 };

/* SQLite's locks in WAL mode are single bytes of the -shm file. */
enum { LOCK_BYTE_WRITE = 120, LOCK_BYTE_READ_FIRST = 124, LOCK_BYTE_READ_LAST = 127 };

/* Finds another process that holds a lock of a kind, "READ" or "WRITE", on one of the bytes first
 * to last of a file, in the system's table of locks; holder gets its pid. False when none is seen:
 * it may be in a container, or have a lock that belongs to no process (F_OFD_SETLK). */
bool locks_find(const char *path, const char *kind, long long first, long long last,
                char holder[LOCK_HOLDER_SIZE]);

#endif
