#ifndef HASHMILL_DISK_FAILED_H
#define HASHMILL_DISK_FAILED_H

#include <stdbool.h>

#include "base/conf.h"

/*
 * The mark of a failed disk: the file RUN_DIR/disk-failed. After a failed write or fsync the
 * system's memory may show data that the disk lacks, while the next fsync succeeds all the same. A
 * writer that reads the database then builds on data that a power cut takes away. So the mark keeps
 * every writer from starting until the machine is booted again, another file takes the database's
 * place, or an operator removes the mark. RUN_DIR must outlive the service
 * (RuntimeDirectoryPreserve=yes).
 */

/* Leaves the mark, and logs what an operator must do. */
void disk_failed_mark(const struct conf *conf);

/* Whether there is a valid mark, which is logged. Removes one that is no longer valid. */
bool disk_failed_is_marked(const struct conf *conf);

#endif
