#ifndef HASHMILL_DISK_FAILED_H
#define HASHMILL_DISK_FAILED_H

#include <stdbool.h>

#include "base/conf.h"

/*
 * The mark that a failed disk leaves: the file RUN_DIR/disk-failed. When a write or an fsync has
 * failed, the system's memory may show what the disk lacks, and the next fsync succeeds all the
 * same: whoever reads the database then and goes on builds on what a power cut takes away. So the
 * mark keeps every writer from starting until the machine is booted again, another file is in the
 * database's place, or an operator removes it. RUN_DIR must outlive the service
 * (RuntimeDirectoryPreserve=yes).
 */

/* Leaves the mark, and logs what an operator has to do. */
void disk_failed_mark(const struct conf *conf);

/* Whether there is a mark, which is logged. Removes one that is no longer valid. */
bool disk_failed_is_marked(const struct conf *conf);

#endif
