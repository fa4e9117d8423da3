#ifndef HASHMILL_WRITER_H
#define HASHMILL_WRITER_H

#include "base/child.h"

/* The main function of the writer, the one process that changes the store. Returns its exit code.
 */
int serve_writer(const struct child_job *job);

#endif
