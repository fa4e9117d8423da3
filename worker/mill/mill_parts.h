#ifndef HASHMILL_MILL_PARTS_H
#define HASHMILL_MILL_PARTS_H

#include <pthread.h>

#include "crosscheck.h"
#include "mill.h"
#include "run_queue.h"

/*
 * Shared by mill.c, the owner's side, and grinder.c, the threads. A thread is a grinder with lanes.
 * It works in slices: it takes the lock, fills the lanes and loads their chains; computes without
 * the lock; takes the lock again and stores the chains.
 */

/* A place in a thread for one chain. */
struct lane {
    struct task *task;
    int64_t since_ns; /* when the chain came here */
};

struct grinder {
    struct mill *mill;
    pthread_t thread;
    struct lane lanes[LANES_MAX]; /* the first count are in use */
    int count;
    unsigned picks;                         /* chains that came from the queue */
    uint64_t chains[ROWS_MAX][CHAIN_WORDS]; /* those of the lanes, during a slice; then padding */
    bool tell;                              /* the owner must be told of finished items */
    struct crosscheck crosscheck;
    double rate;           /* iterations a second with full lanes, as measured */
    double undisturbed_ns; /* undisturbed time of the work since rate was last updated, */
    int64_t measured_ns;   /* and its elapsed time */
};

struct mill {
    pthread_mutex_t lock; /* guards all below except descriptor and the chains of a running slice */
    pthread_cond_t fed;   /* there may be an item to start, or halting was set */
    const struct kernels *kernels;
    int width; /* lanes of a thread */
    bool halting;
    bool halted; /* the threads are gone */
    struct run_queue run_queue;
    struct items finished;
    int descriptor; /* eventfd, readable while something is in finished */
    struct grinder *grinders;
    int grinder_count; /* threads that were started */
};

/* A thread's main function; the argument is its struct grinder. Ends when the mill is halting, with
 * its items given back to the run queue. */
void *grinder_run(void *grinder);

#endif
