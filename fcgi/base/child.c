#include "child.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "child_start.h"
#include "clock.h"
#include "log.h"
#include "notify.h"

static struct child_slot *slot;
static int ready_fd = -1;
static volatile sig_atomic_t stopping;
static sigset_t wait_mask;

static void on_term(int signal) {
    (void)signal;
    stopping = 1;
}

void child_start(struct child_slot *own, int fd, const char *role, pid_t master) {
    /* This process dies with the master, which may have died already. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != master)
        _exit(EXIT_TEMPORARY);
    log_open("hashmill-fcgi", role);
    notify_forget();
    slot = own;
    ready_fd = fd;
    struct sigaction action = {.sa_handler = on_term};
    sigaction(SIGTERM, &action, NULL);
    action.sa_handler = SIG_IGN; /* a terminal sends these to all processes; the master decides */
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    sigset_t blocked;
    sigemptyset(&blocked);
    sigemptyset(&wait_mask);
    sigaddset(&blocked, SIGTERM);
    sigprocmask(SIG_SETMASK, &blocked, NULL);
}

void child_ready(void) {
    slot->ready = true;
    ssize_t sent;
    do {
        sent = write(ready_fd, "r", 1);
    } while (sent < 0 && errno == EINTR);
}

void child_busy(void) {
    if (slot) /* else it is a program of its own, as in --init or a test */
        slot->busy_since_ms = clock_steady_ms();
}

void child_idle(void) {
    slot->busy_since_ms = 0;
}

bool child_stopping(void) {
    /* A wait that finds events ready lets no signal in, so a busy child must ask. */
    sigset_t pending;
    return stopping != 0 || (sigpending(&pending) == 0 && sigismember(&pending, SIGTERM) == 1);
}

const sigset_t *child_wait_mask(void) {
    return &wait_mask;
}
