#ifndef HASHMILL_BACKUP_H
#define HASHMILL_BACKUP_H

#include "base/conf.h"

/* hashmill-fcgi --backup: has the running server with these settings copy its queue to a new file,
 * readable only by this process's user. Returns the exit code: 0, the file is complete; else the
 * reason was logged and there is no file. */
int backup_run(const struct conf *conf, const char *path);

#endif
