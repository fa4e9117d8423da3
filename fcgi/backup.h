#ifndef HASHMILL_BACKUP_H
#define HASHMILL_BACKUP_H

#include "base/conf.h"

/* hashmill-fcgi --backup: has the server that runs with these settings copy its queue to a new
 * file, which only this process's user may read. The exit code, 0 when it is there and complete;
 * else it was said why and there is none. */
int backup_run(const struct conf *conf, const char *path);

#endif
