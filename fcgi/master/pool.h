#ifndef HASHMILL_POOL_H
#define HASHMILL_POOL_H

/* The children of the master: which there are, how one is started, and what its death means. */

#include <sys/types.h>

#include "base/child.h"
#include "base/child_start.h"
#include "sockets.h"

enum { ROLES_MAX = 8 };

/* A kind of child: which function it runs, and how many of it there are. */
struct role {
    const char *name; /* in the log; a literal */
    int (*serve)(const struct child_job *job);
    int64_t count;
    enum socket_name socket; /* that it accepts on; SOCKET_COUNT: on none */
    enum listener listener;  /* whose requests come in by it */
};

/* What the children of a master are. The first is the writer's, which has one. */
struct roles {
    int count;
    struct role list[ROLES_MAX];
};

struct pool_child {
    const char *role;
    int (*serve)(const struct child_job *job);
    struct child_job job;
    struct child_slot *slot; /* shared with the child */
    pid_t pid;               /* 0 while it is not running */
    int64_t ready_ms;        /* steady time at which it was seen ready, 0 before */
    int early_deaths;        /* in a row: before or within a second of ready */
    int64_t start_ms;        /* steady time before which it is not started again */
    int64_t suspect_ms;      /* what busy_since_ms was at the last look, if that is too long ago */
};

struct pool {
    struct pool_child *children; /* the writer is the first */
    int count;
    int ready_pipe[2]; /* children write a byte when they are ready */
};

/* Lays the children out; starts none. False when memory or descriptors are short. */
bool pool_open(struct pool *pool, const struct roles *roles, const struct conf *conf,
               const struct sockets *sockets);
void pool_close(struct pool *pool);

/* Forks every child that is due. The calling process is the master; a child never returns. */
void pool_start(struct pool *pool);

/* Steady time at which the next child is due; INT64_MAX when all run. */
int64_t pool_next_start(const struct pool *pool);

/* Notes which children have become ready; whether all are. */
bool pool_ready(struct pool *pool);

/* Reaps one child that has ended and plans its replacement: at once, but later and later while it
 * dies within a second of being ready. Logs how it died unless it was meant to (stopping). Returns
 * false when none has ended; else *child and its exit code (128 + signal when it was killed). */
bool pool_reap(struct pool *pool, bool stopping, struct pool_child **child, int *exit_code);

/* Kills every child that has been busy with one thing for too long. */
void pool_watch(struct pool *pool, int64_t busy_ms);

/* Sends a signal to the running children: to the writer only, or to all others. How many there are.
 */
int pool_signal(const struct pool *pool, bool writer, int signal);

#endif
