#ifndef HASHMILL_CHILD_H
#define HASHMILL_CHILD_H

#include <signal.h>
#include <stdbool.h>

#include "conf.h"
#include "exit_code.h"

/*
 * A child process and what it tells its master. Every child runs the function of its role with
 * SIGTERM blocked, except inside epoll_pwait with child_wait_mask(). So no signal is lost between a
 * check and a wait, and none interrupts a request.
 */

enum listener { LISTENER_PUBLIC, LISTENER_WORKER, LISTENER_METRICS };

/* What a child serves. */
struct child_job {
    const struct conf *conf;
    int process;            /* its number among the children, from 0 */
    const char *channel;    /* path of the writer's socket */
    const char *peering;    /* path of the peering process's socket */
    enum listener listener; /* whose requests come in */
    int listen_fd; /* non-blocking listening socket: FastCGI, or the writer's or the peering
                      process's; -1 for the scaler */
};

/* Tells the master that this child is ready to serve. */
void child_ready(void);

/* Mark the start and the end of a piece of work. A child busy for longer than BUSY_SECONDS is
 * killed and replaced; another child_busy restarts that time. */
void child_busy(void);
void child_idle(void);

/* Whether SIGTERM came: finish what is in hand and return EXIT_OK. */
bool child_stopping(void);

/* The signal mask to wait with. */
const sigset_t *child_wait_mask(void);

#endif
