#ifndef HASHMILL_SALVAGE_H
#define HASHMILL_SALVAGE_H

#include <stdbool.h>
#include <stdint.h>

/* The numbers of saved and lost items. */
struct salvage {
    int64_t saved;
    int64_t lost; /* named by an index or the counts, but unreadable or senseless */
};

/*
 * Makes a new database at path from the readable rows of the one at from, which may be damaged
 * anywhere. Leaves unreadable rows out, makes indexes and counts again, and marks the result as a
 * backup. The source is opened as by its writer, so it must be a copy. False, after logging why,
 * when nothing can be read or the new file cannot be written; the file at path is useless then.
 */
bool salvage_run(const char *from, const char *path, struct salvage *result);

#endif
