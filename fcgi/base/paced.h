#ifndef HASHMILL_PACED_H
#define HASHMILL_PACED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A large file that is written beside others who wait for the same disk: little is written at once,
 * and then they have the disk for several times as long as that took.
 */
struct paced {
    int fd;           /* open for writing; the caller's */
    int64_t unsynced; /* bytes since the last sync; 0 at first */
};

/* Writes bytes at a place of the file. May sync what was written and sleep for a while. False with
 * errno when it cannot. */
bool paced_write(struct paced *file, const void *bytes, size_t size, int64_t at);

#endif
