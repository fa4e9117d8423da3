#ifndef HASHMILL_PACED_H
#define HASHMILL_PACED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Writing a large file while other processes wait for the same disk: writes a little at once, then
 * leaves them the disk for several times as long as the sync took.
 */
struct paced {
    int fd;           /* open for writing; owned by the caller */
    int64_t unsynced; /* bytes since the last sync; 0 at first */
};

/* Writes bytes at an offset of the file. May sync what was written and sleep for a while. False
 * with errno on failure. */
bool paced_write(struct paced *file, const void *bytes, size_t size, int64_t at);

#endif
