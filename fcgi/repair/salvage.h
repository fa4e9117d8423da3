#ifndef HASHMILL_SALVAGE_H
#define HASHMILL_SALVAGE_H

#include <stdbool.h>
#include <stdint.h>

/* What became of the items. */
struct salvage {
    int64_t saved;
    int64_t lost; /* that an index or the counts name, and that cannot be read or make no sense */
};

/*
 * Makes a new database at path out of the rows that can be read of the one at from, which may be
 * damaged anywhere: rows that cannot be read are left out, indexes and counts are made again, and
 * the peers are to be asked for what is missing, as behind a backup. The source is opened as its
 * writer would, so it must be a copy. False, after logging why, when nothing can be read or the new
 * file cannot be written; what is then at path is of no use.
 */
bool salvage_run(const char *from, const char *path, struct salvage *result);

#endif
