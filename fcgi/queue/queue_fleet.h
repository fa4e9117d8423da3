#ifndef HASHMILL_QUEUE_FLEET_H
#define HASHMILL_QUEUE_FLEET_H

/*
 * What the queue keeps of the fleet for the scaler: the machines that this node has launched, the
 * workers that have called, the last decisions. Part of queue.h, for those who need it.
 */

#include "queue.h"

enum {
    QUEUE_MACHINES_MAX = 64, /* machines that are not gone */
    QUEUE_WORKERS_MAX = 100, /* workers that are shown, last contact first */
    QUEUE_DECISIONS_MAX = 20,
    QUEUE_WHY_SIZE = 256 /* bytes of a decision's text with its NUL */
};

/* The states of a machine, which follow each other in this order. */
enum machine_state {
    MACHINE_LAUNCHING, /* the provider is asked for it, perhaps repeatedly; it counts already */
    MACHINE_LAUNCHED,  /* the provider has named its id */
    MACHINE_LEAVING,   /* it gets no more items and is terminated when it holds none */
    MACHINE_GONE
};

struct queue_machine {
    char name[QUEUE_NAME_SIZE];
    char id[QUEUE_NAME_SIZE]; /* the provider's; "" until it is known */
    int32_t state;            /* enum machine_state */
    int32_t reserved;
    int64_t launched_ms; /* queue clock: when the provider was asked; before that, when it was
                            decided */
    int64_t launched_wall_ms;
    int64_t heard_ms; /* queue clock: last contact of its worker; -1: never */
    int64_t rate;     /* sum over its workers that are not silent */
    int64_t items;    /* leased to its workers */
};

/* A worker that has called. */
struct queue_seen {
    struct queue_worker worker;
    int64_t seq; /* the engine's own number for it */
    int64_t first_wall_ms;
    int64_t last_wall_ms;
    int64_t heard_ms; /* queue clock: last contact */
    int64_t items;    /* leased to it */
    int32_t retired;  /* 1: it said so */
    int32_t reserved;
};

struct queue_decision {
    int64_t wall_ms;
    char why[QUEUE_WHY_SIZE];
};

/* An identity in quarantine. */
struct queue_quarantined {
    char identity[QUEUE_NAME_SIZE];
    char why[QUEUE_WHY_SIZE];
    int64_t wall_ms; /* since when */
};

struct queue_fleet {
    int machine_count; /* the oldest first */
    struct queue_machine machines[QUEUE_MACHINES_MAX];
    int worker_count; /* last contact first */
    struct queue_seen workers[QUEUE_WORKERS_MAX];
    int decision_count; /* the latest first */
    struct queue_decision decisions[QUEUE_DECISIONS_MAX];
    int quarantine_count; /* the latest first */
    struct queue_quarantined quarantine[QUEUE_DECISIONS_MAX];
    int64_t quarantined;  /* identities in quarantine, listed or not */
    int64_t boot_ms;      /* median of the last boot times; -1 without one */
    int64_t machine_rate; /* of the machine with the last contact; 0 when not known */
    int64_t outside_rate; /* sum over the workers without a machine that are not silent */
};

/* The earliest last contact of a worker, as moments of the queue clock: */
struct queue_fleet_since {
    int64_t shown_ms;  /* to be among fleet->workers */
    int64_t silent_ms; /* to count with its rate */
};

/* Reads the fleet, without gone machines that have not called since silent_ms. Reads a machine's
 * items after its state: a machine once seen leaving with no items gets none any more. Costs time
 * in proportion to the leased items, but none of the engine's writing side. OK, DOWN, FAULT. */
enum queue_result queue_fleet(struct queue *queue, const struct queue_fleet_since *since,
                              struct queue_fleet *fleet);

/* An update of a machine, with the reason for it. */
struct queue_machine_update {
    char name[QUEUE_NAME_SIZE]; /* a machine; "": none, there is only a decision to keep */
    char id[QUEUE_NAME_SIZE];   /* "": unchanged */
    char why[QUEUE_WHY_SIZE];   /* the decision to keep; "": none */
    int32_t state; /* of a new machine any; else only a later one, or from gone back to leaving */
    int32_t reserved;
    int64_t launched_ago_ms; /* for MACHINE_LAUNCHED: time since the provider was asked */
};

/* Saves a machine's state or id, or both, and a decision. From the answer on, a leaving machine
 * gets no items. CONFLICT, with nothing saved, for a new launch when there are already as many
 * machines as WORKERS_MAX and loans allow. OK, CONFLICT, DISK_FULL, DOWN, UNKNOWN, FAULT. */
enum queue_result queue_update_machine(struct queue *queue,
                                       const struct queue_machine_update *update);

/* Begins or ends the quarantine of an identity: it is given nothing, and nothing that it reports is
 * taken. OK; NONE, it is as wanted already; DISK_FULL, DOWN, UNKNOWN, FAULT. */
struct queue_quarantine {
    char identity[QUEUE_NAME_SIZE]; /* as in struct queue_worker */
    char why[QUEUE_WHY_SIZE];
    char who[QUEUE_NAME_SIZE]; /* the operator who ends it; "" for who has no key */
    int32_t begins;            /* 0: it ends */
    int32_t reserved;
};
enum queue_result queue_quarantine(struct queue *queue, const struct queue_quarantine *quarantine);

#endif
