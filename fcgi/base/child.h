#ifndef HASHMILL_CHILD_H
#define HASHMILL_CHILD_H

#include <signal.h>
#include <stdbool.h>

#include "conf.h"
#include "exit_code.h"

/*
 * A child process and what it tells its master. Every child runs the function of its role with
 * SIGTERM blocked, except inside epoll_pwait with child_wait_mask(): so no signal is lost between a
 * check and a wait, and none interrupts a request.
 */

enum listener { LISTENER_PUBLIC, LISTENER_WORKER };

/* What a child is to serve. */
struct child_job {
    const struct conf *conf;
    const char *channel;    /* path of the writer's socket */
    const char *peering;    /* path of the peering process's */
    enum listener listener; /* whose requests come in */
    int listen_fd; /* the FastCGI listening socket, non-blocking; the writer's channel socket; the
                      peering process's; the scaler's: -1 */
};

/* Tells the master that this child serves now. */
void child_ready(void);

/* Marks the start and the end of a piece of work. A child busy for longer than BUSY_SECONDS is
 * killed and replaced; another child_busy begins the time again. */
void child_busy(void);
void child_idle(void);

/* Whether SIGTERM came: finish what is in hand and return EXIT_OK. */
bool child_stopping(void);

/* The signal mask to wait with. */
const sigset_t *child_wait_mask(void);

#endif
