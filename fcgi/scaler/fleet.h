#ifndef HASHMILL_FLEET_H
#define HASHMILL_FLEET_H

/*
 * What the scaler knows at a moment: the queue's tally, the machines and workers as saved, what the
 * provider's last list says, and what it remembers itself of each machine. Only what is saved
 * outlives the scaler; the rest is learned again within a list's time.
 */

#include "base/conf.h"
#include "provider.h"
#include "queue/queue_fleet.h"
#include "queue/queue_peers.h"
#include "scaling.h"

/* What is remembered of a machine; times are steady time, 0 for never. */
struct fleet_note {
    char name[QUEUE_NAME_SIZE]; /* "": this place is free */
    bool failing;               /* the last try to launch it failed */
    bool seen;                  /* it is among the machines of this moment */
    bool told;                  /* that it is being terminated was said */
    int64_t launched_ms;        /* when the last try to launch it ended */
    int64_t leaving_ms;         /* when it was first seen leaving */
    int64_t terminated_ms;      /* when the provider said last that it has terminated it */
    int64_t terminate_again_ms; /* not before */
    int64_t absent_ms;          /* when the first of the lists was begun that lack it */
};

/* What a peer has answered when it was asked for a loan. */
enum fleet_answer { ANSWER_NONE, ANSWER_LENT, ANSWER_REFUSED };

/* A loan that is wanted. */
struct fleet_wanted {
    struct uuid loan;         /* that is wanted at the moment */
    int32_t node;             /* of whom; SCALING_NOBODY: none is */
    int64_t refused_ms;       /* steady time of the last refusal; 0: never */
    enum fleet_answer answer; /* learned by the last reading, */
    int32_t answered_by;      /* from this peer */
};

struct fleet {
    const struct conf *conf;
    struct queue_tally tally;
    struct queue_fleet saved; /* its machines are followed by those that only the list has */
    struct fleet_note *notes[QUEUE_MACHINES_MAX]; /* of saved.machines, in their order */
    struct fleet_note all_notes[QUEUE_MACHINES_MAX];
    bool listed;           /* there was a list */
    int64_t list_begun_ms; /* steady time */
    int list_count;
    struct provider_machine list[PROVIDER_LIST_MAX];
    struct queue_peers peers; /* with the loans */
    struct fleet_wanted wanted;
};

void fleet_open(struct fleet *fleet, const struct conf *conf);

/* Reads the state of the queue and of the fleet. False when it cannot be had now. */
bool fleet_read(struct fleet *fleet, struct queue *queue);

/* Takes a list that the provider has begun at that steady time. False with the reason in *why when
 * it is none; the last one stays then. */
bool fleet_take_list(struct fleet *fleet, const char *text, int64_t begun_ms, const char **why);

/* What the decision needs to know, machines in the order of fleet->saved.machines. */
void fleet_snapshot(const struct fleet *fleet, const struct provider *provider,
                    struct scaling_snapshot *snapshot);

/* Makes a new name for a machine. */
void fleet_new_name(const struct fleet *fleet, char name[QUEUE_NAME_SIZE]);

/* Whether a name is one that fleet_new_name makes on this node. Nothing else is ever terminated. */
bool fleet_is_own(const struct conf *conf, const char *name);

/* The note of a machine, made when there is none; NULL when there are too many. */
struct fleet_note *fleet_note(struct fleet *fleet, const char *name);

/* The ids under which the provider knows a machine: the saved one and those of the list. How many,
 * at most PROVIDER_IDS_MAX; they stay valid until the fleet is read or a list is taken. */
int fleet_ids(const struct fleet *fleet, const struct queue_machine *machine,
              const char *ids[PROVIDER_IDS_MAX]);

/* The part of fleet_read that is about peers and loans, and of fleet_snapshot; behind the rest. */
bool fleet_read_peers(struct fleet *fleet, struct queue *queue);
void fleet_describe_loans(const struct fleet *fleet, struct scaling_snapshot *snapshot);

/* Notes that a peer is asked for a loan, however soon it answers. */
void fleet_note_wanted(struct fleet *fleet, const struct uuid *loan, int32_t node);

/* Notes that a loan which is wanted is given up by this node itself. */
void fleet_forget_wanted(struct fleet *fleet, const struct queue_loan *loan);

/* How long a worker may be silent before it is dead to this node: no lease outlives that. */
int64_t fleet_silent_ms(const struct conf *conf);

#endif
