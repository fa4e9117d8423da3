#ifndef HASHMILL_POOL_H
#define HASHMILL_POOL_H

/* The children of the master: their list, their start and their end. */

#include <sys/types.h>

#include "base/child.h"
#include "base/child_start.h"
#include "sockets.h"

enum { ROLES_MAX = 10 };

/* A kind of child: its function, and how many there are. */
struct role {
    const char *name; /* for the log; a literal */
    int (*serve)(const struct child_job *job);
    int64_t count;
    enum socket_name socket; /* it accepts on this one; SOCKET_COUNT: on none */
    enum listener listener;  /* whose requests come in there */
};

/* The roles of a master's children. The first is the writer's, with one child. */
struct roles {
    int count;
    struct role list[ROLES_MAX];
};

/* How many children they are. */
int roles_children(const struct roles *roles);

struct pool_child {
    const char *role;
    int (*serve)(const struct child_job *job);
    struct child_job job;
    struct child_slot *slot; /* shared with the child */
    pid_t pid;               /* 0 while not running */
    int64_t ready_ms;        /* steady time at which it was seen ready; 0 before */
    int early_deaths;        /* in a row: before or within a second of ready */
    int64_t start_ms;        /* steady time: not started again before */
    int64_t suspect_ms;      /* busy_since_ms at the last look, if too long ago */
};

struct pool {
    struct pool_child *children; /* the writer is the first */
    int count;
    int ready_pipe[2]; /* children write a byte when they are ready */
};

/* Sets up the list of children; starts none. False when memory or descriptors are short. */
bool pool_open(struct pool *pool, const struct roles *roles, const struct conf *conf,
               const struct sockets *sockets);
void pool_close(struct pool *pool);

/* Forks every child that is due. The caller is the master; a child never returns. */
void pool_start(struct pool *pool);

/* Steady time at which the next child is due; INT64_MAX when all run. */
int64_t pool_next_start(const struct pool *pool);

/* Notes which children have become ready. Returns whether all are. */
bool pool_ready(struct pool *pool);

/* Reaps one ended child and plans its restart: at once, or with growing delays while it dies within
 * a second of being ready. Logs how it died, unless stopping and with code 0. Sets *child and its
 * exit code (128 + signal when killed). False when none has ended. */
bool pool_reap(struct pool *pool, bool stopping, struct pool_child **child, int *exit_code);

/* Kills every child busy with one thing for longer than busy_ms. */
void pool_watch(struct pool *pool, int64_t busy_ms);

/* Sends a signal to the writer only, or to all other running children. Returns how many there are.
 */
int pool_signal(const struct pool *pool, bool writer, int signal);

#endif
