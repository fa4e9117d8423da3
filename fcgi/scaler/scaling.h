#ifndef HASHMILL_SCALING_H
#define HASHMILL_SCALING_H

/*
 * The decision of the scaler: how many machines to launch and which to send away, as a pure
 * function of a snapshot. t/unit/scaler/scaling.c is its specification by cases. A machine whose
 * worker is idle is not chosen here: that worker retires (IDLE_SECONDS of the worker,
 * store_retire).
 *
 * The provider launches a machine under a name that this node gave it. The machine is launching
 * until the provider has told its id, booting until its worker's first call, and leaving once it
 * was sent away: it then gets no more items, is told to drain, and is terminated when it holds
 * none. It counts towards the limit until the provider does not list it any more.
 *
 * The limit is WORKERS_MAX, minus the machines lent to peers, plus those borrowed from them. A
 * taken loan that is not renewed, as the lender is silent, ends in two stages. With a third of
 * LOAN_SECONDS left it does not count for staying machines any more; so one has time to drain. With
 * a sixth left it does not count for leaving ones either: one is terminated whatever it holds,
 * since the lender may launch its own soon.
 */

#include <stdbool.h>
#include <stdint.h>

#include "queue/queue_fleet.h"
#include "queue/queue_peers.h"

enum {
    SCALING_LOST_MS = 30000,     /* how long lists may lack a machine that boots, or that the
                                    provider may still launch */
    SCALING_LATE_BOOTS = 2,      /* a machine is late, and not counted on, after this many usual */
    SCALING_LATE_MORE_MS = 5000, /* boot times and this much more */
    SCALING_REFUSED_MS = 10000,  /* after a refusal, no peer is asked for a loan for this time */
    SCALING_NOBODY = -1          /* in place of a NODE */
};

struct scaling_rules {
    int64_t workers_min;
    int64_t workers_max;
    int64_t wait_launch_ms; /* an item that waits longer asks for a machine */
    int64_t silent_ms;      /* a worker that is silent for longer is taken for dead */
    int64_t boot_max_ms;    /* a machine that has not called this long after its launch is sent
                               away */
    int64_t loan_ms;        /* LOAN_SECONDS */
};

/* What the provider's last list says of a machine. */
enum listing {
    LISTING_UNKNOWN, /* no list since the scaler started */
    LISTING_ABSENT,
    LISTING_RUNNING,   /* pending, running, or an unknown word */
    LISTING_TERMINATED /* the provider says that it has ended */
};

struct scaling_machine {
    int32_t state;    /* enum machine_state; MACHINE_GONE: should be gone, but is there */
    bool has_id;      /* the provider has told one */
    bool failing;     /* the last try to launch it failed */
    int64_t age_ms;   /* since its launch was decided */
    int64_t heard_ms; /* since its worker's last call; -1: never */
    int64_t rate;     /* iterations a second that its worker tells, 0 when not known */
    int64_t items;    /* that its worker holds under lease */
    enum listing listing;
    int copies;         /* running machines that the list has under its name */
    int64_t absent_ms;  /* for how long lists have lacked it; 0 unless LISTING_ABSENT */
    bool list_is_newer; /* the last list was begun after all other news of it: after its last call
                           and its last launch, and for a leaving one after its termination */
};

struct scaling_loan {
    int32_t node;    /* the peer */
    int32_t side;    /* enum loan_side */
    int32_t state;   /* enum loan_state */
    bool away;       /* the peer is silent */
    int64_t left_ms; /* until its deadline, unless it is only wanted; 0 or less: expired */
};

struct scaling_peer {
    int32_t node;
    bool away;
};

/* The state at one moment. */
struct scaling_snapshot {
    struct scaling_rules rules;
    bool paused;            /* by an operator: nothing is launched, sent away or terminated */
    int64_t oldest_wait_ms; /* 0 when nothing waits, or nothing may be leased */
    int64_t waiting;        /* items that may be leased */
    int64_t remaining;      /* iterations to do, over waiting and leased items */
    int64_t outside_rate;   /* of the workers that no provider launched and that are not silent */
    int64_t boot_ms;        /* boot time: from a launch until the worker's first call, measured */
    int64_t machine_rate;   /* expected of one more machine; 0 when not known */
    int count;
    struct scaling_machine machines[QUEUE_MACHINES_MAX];
    bool has_peer;
    struct scaling_peer peer;
    bool refused; /* a loan was refused within SCALING_REFUSED_MS */
    int loan_count;
    struct scaling_loan loans[QUEUE_LOANS_MAX];
};

/* Why something is done, or is not done. */
enum scaling_reason {
    REASON_NONE,     /* nothing waits for long */
    REASON_WAIT,     /* an item waits too long */
    REASON_MIN,      /* fewer than WORKERS_MIN */
    REASON_LIMIT,    /* the limit is reached */
    REASON_DRAINED,  /* the running ones finish everything before a new one would have booted */
    REASON_BOOTING,  /* the booting ones are enough, or their rate is not known yet */
    REASON_FAILING,  /* a launch fails at the moment; it is tried again */
    REASON_SURPLUS,  /* more than the limit */
    REASON_TWICE,    /* the provider launched it more than once */
    REASON_SILENT,   /* its worker was silent for too long */
    REASON_NO_BOOT,  /* its worker has never called */
    REASON_LOST,     /* the provider does not know it any more, or never did */
    REASON_UNWANTED, /* its launch failed, and nothing waits any more */
    REASON_STRAY,    /* this node does not know it, or has given it up before */
    REASON_ENDED,    /* the provider says that it has ended */
    REASON_EMPTY,    /* it is leaving and holds nothing */
    REASON_OVER,     /* it was terminated and the provider does not list it any more */
    REASON_UNUSED,   /* no machine needs the loan, and nothing waits for long */
    REASON_RECALLED, /* the lender wants the loan back */
    REASON_AWAY      /* the peer is silent, and the loan expired or was never answered; for a
                        machine: its loan expires */
};

/* The step to take with a machine. */
enum scaling_step {
    STEP_KEEP,
    STEP_LEAVE,     /* make it leaving */
    STEP_TERMINATE, /* have the provider end it */
    STEP_FORGET     /* it is gone */
};

/* The step to take with a loan. */
enum scaling_loan_step {
    LOAN_STEP_KEEP,
    LOAN_STEP_RETURN, /* a taken one */
    LOAN_STEP_RECALL  /* a given one; forget it if it has expired */
};

struct scaling_decision {
    int launch;                 /* how many machines */
    enum scaling_reason reason; /* for launching them, or for launching none */
    int64_t drain_ms; /* until the running and booting ones have done everything; INT64_MAX: never
                         or not known */
    struct {
        enum scaling_step step;
        enum scaling_reason reason;
    } machines[QUEUE_MACHINES_MAX];
    int32_t borrow_from; /* NODE of the peer to ask for a loan, or SCALING_NOBODY */
    int64_t limit;       /* of machines, at this moment */
    int64_t loan_due_ms; /* until a taken loan that is not renewed reaches its next stage: a third,
                            a sixth or nothing left. The next decision should not come later.
                            INT64_MAX: no such loan */
    struct {
        enum scaling_loan_step step;
        enum scaling_reason reason;
    } loans[QUEUE_LOANS_MAX];
};

void scaling_decide(const struct scaling_snapshot *snapshot, struct scaling_decision *decision);

#endif
