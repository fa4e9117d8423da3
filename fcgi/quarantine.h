#ifndef HASHMILL_QUARANTINE_H
#define HASHMILL_QUARANTINE_H

#include "base/conf.h"

/* hashmill-fcgi --quarantine NAME and --release NAME: has the server that runs with these settings
 * begin or end the quarantine of an identity. The exit code; why not is logged. */
int quarantine_run(const struct conf *conf, const char *identity, bool begins);

#endif
