#ifndef HASHMILL_PREFORK_H
#define HASHMILL_PREFORK_H

#include "base/conf.h"
#include "pool.h"
#include "sockets.h"

/* How the master ended. */
enum prefork_end {
    PREFORK_STOPPED, /* told to stop; every child has drained */
    PREFORK_RELOAD,  /* SIGHUP; every child has drained: exec the program again */
    PREFORK_FAILED   /* *exit_code says how to exit */
};

/*
 * The master: forks the children of all roles, replaces dead ones, kills hanging ones, drains on
 * SIGTERM, SIGINT, SIGQUIT and SIGHUP. Makes RUN_DIR/hashmill-fcgi.pid when every child serves. A
 * reload would read `files` and execute `program`; both are checked before anything is drained. All
 * arguments but exit_code must outlive the call. Returns when no child is left.
 */
enum prefork_end prefork_run(const struct roles *roles, const struct conf *conf,
                             const struct sockets *sockets, const struct settings_files *files,
                             const char *program, int *exit_code);

#endif
