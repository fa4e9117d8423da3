#ifndef HASHMILL_QUEUE_PROGRESS_H
#define HASHMILL_QUEUE_PROGRESS_H

/*
 * What the queue knows of how far items are, and of what is to be done before them. Part of
 * queue.h, for those who need it. All of it is read by the process itself, and costs the same
 * whatever the queue holds. Times are of the queue clock. eta.h in fcgi/stats/ makes a forecast of
 * it.
 */

#include "queue.h"

enum {
    QUEUE_AHEAD_MAX = 1000,  /* items ahead that are counted */
    QUEUE_POINTS_MAX = 8,    /* last points of an item that are read */
    QUEUE_LATELY_MAX = 64,   /* items that were done last that are */
    QUEUE_RUNNING_MAX = 100, /* items in one list of leased ones */
    LOAD_WORKERS_MAX = 500,  /* workers that are looked at, last contact first */
    LOAD_HELD_MAX = 2048,    /* leased items that are, those first whose lease lapses first */
    LOAD_CLIENTS_MAX = 1000, /* clients that are, the oldest first */
    LOAD_BOOTING_MAX = 64,   /* machines that are */
    LOAD_SILENT_MS = 30000 /* a worker whose last call is older is not there: it calls every 25 s */
};

/* How far a chain was at a moment. */
struct queue_point {
    int64_t remaining;
    int64_t at_ms;
};

/* How long an item took that is done. */
struct queue_took {
    int64_t links; /* computed under its last lease, */
    int64_t ms;    /* from that lease to its value */
    int64_t done_ms;
};

/* An item that waits or is leased. */
struct queue_progress {
    int32_t state; /* ITEM_WAITING or ITEM_LEASED */
    int64_t remaining;
    char client[QUEUE_NAME_SIZE]; /* whose it is */
    int32_t lately_count;         /* what was done last, of its client and of all: */
    struct queue_took lately[QUEUE_LATELY_MAX];
    /* Of a waiting one: */
    int64_t rank;
    int64_t weight;    /* of its client */
    int64_t ahead;     /* items that are leased before it, at most QUEUE_AHEAD_MAX; */
    int32_t more;      /* 1: there are more; */
    double ahead_work; /* iterations of those ahead; with `more` it is not known */
    /* Of a leased one: */
    int64_t granted; /* remaining when the lease was given, */
    int64_t granted_ms;
    int64_t moved_ms;             /* the last progress under the lease; granted_ms without one */
    int64_t deadline_ms;          /* when the lease lapses */
    int64_t worker;               /* struct load_worker.seq, */
    char name[QUEUE_NAME_SIZE];   /* its name, "" when it is not known any more */
    char kernel[QUEUE_NAME_SIZE]; /* and what it said last */
    int64_t cores;
    int64_t rate;
    int64_t heard_ms;    /* its last call; -1 when it is not known any more */
    int32_t quarantined; /* 1: it is in quarantine */
    int32_t point_count; /* points under the lease, */
    struct queue_point points[QUEUE_POINTS_MAX]; /* the last one first */
};

/* A worker that has called lately and has not retired. */
struct load_worker {
    int64_t seq;
    char kernel[QUEUE_NAME_SIZE];
    int64_t cores;
    int64_t rate;     /* iterations a second, 0 when not measured yet */
    int64_t heard_ms; /* its last call */
    int32_t quarantined;
    int32_t reserved;
};

/* A leased item. */
struct load_held {
    int64_t worker; /* load_worker.seq */
    int64_t remaining;
    int64_t granted;
    int64_t granted_ms;
    int64_t moved_ms;
};

/* A client with items to compute. */
struct load_client {
    int64_t weight;
    int64_t remaining; /* iterations, of waiting and leased items */
};

/* A machine whose worker has not called yet. */
struct load_booting {
    int64_t launched_ms;
};

/* What there is to do at a moment, and who does it. */
struct queue_load {
    int64_t clock_ms; /* now */
    int64_t paused;   /* bits of queue_operators.h */
    int64_t waiting;  /* items */
    int64_t leased;
    int64_t remaining;   /* iterations of both, as reported */
    int64_t virtual;     /* virtual time: the greatest rank leased */
    int64_t oldest_ms;   /* since when the item that waits longest waits; -1: none waits */
    int64_t quarantined; /* workers in quarantine that call */
    int worker_count;    /* last contact first */
    struct load_worker workers[LOAD_WORKERS_MAX];
    int held_count; /* less than `leased`: there are more than are looked at */
    struct load_held held[LOAD_HELD_MAX];
    int client_count;
    struct load_client clients[LOAD_CLIENTS_MAX];
    int machine_count; /* that exist and stay, booting ones too */
    int booting_count;
    struct load_booting booting[LOAD_BOOTING_MAX];
    int64_t boot_ms;      /* median of the last boot times; -1 without one */
    int64_t machine_rate; /* of the machine with the last contact; 0 when not known */
};

/* A leased item of a list. */
struct queue_run {
    struct queue_item item;
    struct queue_progress progress;
};

/* Leased items: those first that have reported progress and whose worker calls; of both kinds
 * those that are leased longest. */
struct queue_running {
    int32_t count;
    int32_t more; /* 1: there are others */
    struct queue_run runs[QUEUE_RUNNING_MAX];
};

/* What there is to do now. The counts are of this moment, the rest may be a second old when it is
 * much. It stays valid until the next call of these three. NULL: it cannot be read now. */
const struct queue_load *queue_load(struct queue *queue);

/* Reads the progress of an item of this node. OK; NONE: it neither waits nor is leased, or it is
 * another's; DOWN, FAULT. */
enum queue_result queue_progress(struct queue *queue, struct uuid id,
                                 const struct queue_whose *whose, struct queue_progress *progress);

/* Lists leased items of this node, at most `limit`. Looks at a bounded number: when more are leased
 * it may miss some. OK, DOWN, FAULT. */
enum queue_result queue_running(struct queue *queue, const struct queue_whose *whose, int limit,
                                struct queue_running *running);

#endif
