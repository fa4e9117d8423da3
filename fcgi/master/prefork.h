#ifndef HASHMILL_PREFORK_H
#define HASHMILL_PREFORK_H

#include "base/conf.h"
#include "pool.h"
#include "sockets.h"

/* How the master's work ended. */
enum prefork_end {
    PREFORK_STOPPED, /* told to; every child has drained */
    PREFORK_RELOAD,  /* SIGHUP; every child has drained: exec the program again */
    PREFORK_FAILED   /* *exit_code says how to exit */
};

/*
 * The master: forks the children of all roles, replaces what dies, kills what hangs, drains on
 * SIGTERM, SIGINT, SIGQUIT and SIGHUP. Puts RUN_DIR/hashmill-fcgi.pid in place when every child
 * serves. files are what a reload would read, program is what it would execute; both are checked
 * before anything is drained. All but exit_code must outlive the call. Returns when no child is
 * left.
 */
enum prefork_end prefork_run(const struct roles *roles, const struct conf *conf,
                             const struct sockets *sockets, const struct settings_files *files,
                             const char *program, int *exit_code);

#endif
