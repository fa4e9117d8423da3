#ifndef HASHMILL_SCALER_H
#define HASHMILL_SCALER_H

#include "base/child.h"

/* The main function of the scaler, the process that launches and terminates workers. Returns its
 * exit code. */
int serve_scaler(const struct child_job *job);

#endif
