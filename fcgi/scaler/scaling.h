#ifndef HASHMILL_SCALING_H
#define HASHMILL_SCALING_H

/*
 * The decision of the scaler: how many machines to launch and which to send away, as a pure
 * function of what is known at one moment. t/unit/scaler/scaling.c is its specification by cases.
 *
 * A machine is what the provider launches under a name that this node gave it; it is launching
 * until the provider has said its id, booting until its worker is heard from, and leaving from the
 * moment that it is to go: it then gets no more items, is told to drain, and is terminated when it
 * holds none. It counts towards the limit until the provider does not list it any more.
 *
 * The limit is WORKERS_MAX, less what peers have borrowed, and more by what they have lent. A taken
 * loan stops to count for staying machines when a third of LOAN_SECONDS is left of it (the lender
 * was not heard from for so long), which gives one time to drain, and for leaving ones when a sixth
 * is left: then one is terminated whatever it holds, since the lender may launch its own soon.
 */

#include <stdbool.h>
#include <stdint.h>

#include "queue/queue_fleet.h"
#include "queue/queue_peers.h"

enum {
    SCALING_LOST_MS = 30000,     /* a booting machine may be missing from lists for so long; so may
                                    one that the provider may still be about to launch */
    SCALING_LATE_BOOTS = 2,      /* who boots this many times as long as usual is not counted on, */
    SCALING_LATE_MORE_MS = 5000, /* after this much more */
    SCALING_REFUSED_MS = 10000,  /* after a refusal no peer is asked for a loan for so long */
    SCALING_NOBODY = -1          /* in place of a NODE */
};

struct scaling_rules {
    int64_t workers_min;
    int64_t workers_max;
    int64_t wait_launch_ms; /* an item that waits longer asks for a machine */
    int64_t silent_ms;      /* whoever was not heard from for longer is dead to the node */
    int64_t boot_max_ms;    /* a machine that is not heard from so long after its launch is sent
                               away */
    int64_t loan_ms;        /* LOAN_SECONDS */
};

/* What the provider's last list says of a machine. */
enum listing {
    LISTING_UNKNOWN, /* there was none since the scaler started */
    LISTING_ABSENT,
    LISTING_RUNNING,   /* pending, running, or a word that is not known */
    LISTING_TERMINATED /* the provider says that it has ended */
};

struct scaling_machine {
    int32_t state;    /* enum machine_state; MACHINE_GONE: not to be there, but it is */
    bool has_id;      /* the provider has said one */
    bool failing;     /* the last try to launch it failed */
    int64_t age_ms;   /* since its launch was decided */
    int64_t heard_ms; /* since its worker was heard from last; -1: never */
    int64_t rate;     /* iterations a second that its worker tells, 0 when not known */
    int64_t items;    /* that its worker holds under lease */
    enum listing listing;
    int copies;         /* how many running machines the list has under its name */
    int64_t absent_ms;  /* for how long lists have lacked it; 0 unless LISTING_ABSENT */
    bool list_is_newer; /* the last list was begun after anything else that is known of it: after
                           its last word, after its last launch, and when it is leaving, after it
                           was terminated */
};

struct scaling_loan {
    int32_t node;    /* the peer */
    int32_t side;    /* enum loan_side */
    int32_t state;   /* enum loan_state */
    bool away;       /* that peer is */
    int64_t left_ms; /* until its deadline, unless it is only wanted; 0 or less: it is over */
};

struct scaling_peer {
    int32_t node;
    bool away;
};

/* What is known at one moment. */
struct scaling_snapshot {
    struct scaling_rules rules;
    int64_t oldest_wait_ms; /* 0 when nothing waits */
    int64_t waiting;        /* items */
    int64_t remaining;      /* iterations to do, over waiting and leased items */
    int64_t outside_rate;   /* of the workers that no provider launched and that are not silent */
    int64_t boot_ms;        /* from a launch until the worker is heard from, as measured */
    int64_t machine_rate;   /* that one more machine would have; 0 when not known */
    int count;
    struct scaling_machine machines[QUEUE_MACHINES_MAX];
    bool has_peer;
    struct scaling_peer peer;
    bool refused; /* one of them has refused a loan within SCALING_REFUSED_MS */
    int loan_count;
    struct scaling_loan loans[QUEUE_LOANS_MAX];
};

/* Why something is done, or is not done. */
enum scaling_reason {
    REASON_NONE,     /* nothing waits for long */
    REASON_WAIT,     /* an item waits too long */
    REASON_MIN,      /* fewer than WORKERS_MIN */
    REASON_LIMIT,    /* as many as the limit are there */
    REASON_DRAINED,  /* what runs has done everything before a new one would have booted */
    REASON_BOOTING,  /* those that boot are enough, or their rate is not known yet */
    REASON_FAILING,  /* a launch fails at the moment; it is tried again */
    REASON_SURPLUS,  /* more than the limit */
    REASON_TWICE,    /* the provider launched it more than once */
    REASON_SILENT,   /* its worker was not heard from for too long */
    REASON_NO_BOOT,  /* its worker was never heard from */
    REASON_LOST,     /* the provider does not know it any more, or never did */
    REASON_UNWANTED, /* its launch failed, and nothing waits any more */
    REASON_STRAY,    /* it is not of those that this node has, or was given up before */
    REASON_ENDED,    /* the provider says that it has ended */
    REASON_EMPTY,    /* it is leaving and holds nothing */
    REASON_OVER,     /* it was terminated and the provider does not list it any more */
    REASON_UNUSED,   /* no machine needs the loan, and nothing waits for long */
    REASON_RECALLED, /* the lender wants the loan back */
    REASON_AWAY      /* the peer was not heard from, and the loan is over, or was never answered; a
                        machine: that it was launched for is */
};

/* What is to be done with a machine. */
enum scaling_step {
    STEP_KEEP,
    STEP_LEAVE,     /* make it leaving */
    STEP_TERMINATE, /* have the provider end it */
    STEP_FORGET     /* it is gone */
};

/* What is to be done with a loan. */
enum scaling_loan_step {
    LOAN_STEP_KEEP,
    LOAN_STEP_RETURN, /* a taken one */
    LOAN_STEP_RECALL  /* a given one; if it is over, forget it */
};

struct scaling_decision {
    int launch;                 /* how many machines */
    enum scaling_reason reason; /* for launching them, or for launching none */
    int64_t drain_ms; /* until what runs and boots has done everything; INT64_MAX: never, or it is
                         not known */
    struct {
        enum scaling_step step;
        enum scaling_reason reason;
    } machines[QUEUE_MACHINES_MAX];
    int32_t borrow_from; /* NODE of the peer to ask for a loan, or SCALING_NOBODY */
    int64_t limit;       /* of machines, at this moment */
    int64_t loan_due_ms; /* until a taken loan that is not renewed comes to its next stage: a third,
                            a sixth, nothing left of it; INT64_MAX: there is none. No decision
                            should come later */
    struct {
        enum scaling_loan_step step;
        enum scaling_reason reason;
    } loans[QUEUE_LOANS_MAX];
};

void scaling_decide(const struct scaling_snapshot *snapshot, struct scaling_decision *decision);

#endif
