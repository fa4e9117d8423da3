#ifndef HASHMILL_CLIENT_SYNC_H
#define HASHMILL_CLIENT_SYNC_H

#include <stdbool.h>
#include <stddef.h>

/* Writes all bytes. False with errno. */
bool write_all(int fd, const char *bytes, size_t length);

/* Makes sure that the directory of a file has its name on the disk. False with a message. */
bool sync_parent(const char *path);

#endif
