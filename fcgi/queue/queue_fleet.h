#ifndef HASHMILL_QUEUE_FLEET_H
#define HASHMILL_QUEUE_FLEET_H

/*
 * What the queue keeps of the fleet for the scaler: the machines that this node has launched, the
 * workers that were heard from, the last decisions. Part of queue.h, for those who need it.
 */

#include "queue.h"

enum {
    QUEUE_MACHINES_MAX = 64, /* machines that are not gone */
    QUEUE_WORKERS_MAX = 100, /* workers that are shown, the one heard from last first */
    QUEUE_DECISIONS_MAX = 20,
    QUEUE_WHY_SIZE = 256 /* bytes of a decision's text with its NUL */
};

/* The states of a machine, which follow each other in this order. */
enum machine_state {
    MACHINE_LAUNCHING, /* the provider is asked to launch it, perhaps again and again; it counts */
    MACHINE_LAUNCHED,  /* the provider has said its id */
    MACHINE_LEAVING,   /* it gets no more items and is terminated when it holds none */
    MACHINE_GONE
};

struct queue_machine {
    char name[QUEUE_NAME_SIZE];
    char id[QUEUE_NAME_SIZE]; /* the provider's; "" until it is known */
    int32_t state;            /* enum machine_state */
    int32_t reserved;
    int64_t
        launched_ms; /* queue clock: when the provider was asked; until it is, of the decision */
    int64_t launched_wall_ms;
    int64_t heard_ms; /* queue clock: when its worker was heard from last; -1: never */
    int64_t rate;     /* sum over its workers that are not silent */
    int64_t items;    /* that its workers hold under lease */
};

/* A worker that was heard from. */
struct queue_seen {
    struct queue_worker worker;
    int64_t seq; /* the engine's own number for it */
    int64_t first_wall_ms;
    int64_t last_wall_ms;
    int64_t heard_ms; /* queue clock */
    int64_t items;    /* that it holds under lease */
    int32_t retired;  /* 1: it said so */
    int32_t reserved;
};

struct queue_decision {
    int64_t wall_ms;
    char why[QUEUE_WHY_SIZE];
};

struct queue_fleet {
    int machine_count; /* the oldest first */
    struct queue_machine machines[QUEUE_MACHINES_MAX];
    int worker_count; /* the one heard from last first */
    struct queue_seen workers[QUEUE_WORKERS_MAX];
    int decision_count; /* the latest first */
    struct queue_decision decisions[QUEUE_DECISIONS_MAX];
    int64_t boot_ms;      /* median of the last boots; -1 when there was none */
    int64_t machine_rate; /* of the machine heard from last; 0 when not known */
    int64_t outside_rate; /* sum over the workers without a machine that are not silent */
};

/* Since when a worker must have been heard from, as moments of the queue clock. */
struct queue_fleet_since {
    int64_t shown_ms;  /* to be among fleet->workers */
    int64_t silent_ms; /* to count with its rate */
};

/* Reads the fleet; machines that are gone and that nobody was heard from since silent_ms are left
 * out. What a machine holds is read after its state: once it was seen leaving with no items, it
 * gets none any more. Costs time in proportion to the leased items, but none of the engine's
 * writing side. OK, DOWN, FAULT. */
enum queue_result queue_fleet(struct queue *queue, const struct queue_fleet_since *since,
                              struct queue_fleet *fleet);

/* An update of a machine, with the decision behind it. */
struct queue_machine_update {
    char name[QUEUE_NAME_SIZE]; /* a machine; "": none, there is only something to say */
    char id[QUEUE_NAME_SIZE];   /* "": as it was */
    char why[QUEUE_WHY_SIZE];   /* the decision to be kept; "": none */
    int32_t state; /* a new machine's, else it only ever goes on, but from gone back to leaving */
    int32_t reserved;
    int64_t launched_ago_ms; /* of one that becomes launched: since the provider was asked */
};

/* Saves a machine's state or id, or both, and a decision. From the answer on, a machine that is
 * leaving is given nothing. CONFLICT, and nothing is saved, for a new one that is to be launched
 * when as many as WORKERS_MAX and loans allow are there. OK, CONFLICT, DISK_FULL, DOWN, UNKNOWN,
 * FAULT. */
enum queue_result queue_update_machine(struct queue *queue,
                                       const struct queue_machine_update *update);

#endif
