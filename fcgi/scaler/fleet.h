#ifndef HASHMILL_FLEET_H
#define HASHMILL_FLEET_H

/*
 * What the scaler knows at a moment: the queue's tally, the saved machines and workers, the
 * provider's last list, and the scaler's own notes on each machine. Only the saved part outlives
 * the scaler; a new one learns the rest from the next list.
 */

#include "base/conf.h"
#include "provider.h"
#include "queue/queue_fleet.h"
#include "queue/queue_peers.h"
#include "scaling.h"

/* The scaler's notes on a machine; times are steady time, 0 for never. */
struct fleet_note {
    char name[QUEUE_NAME_SIZE]; /* "": this place is free */
    bool failing;               /* the last try to launch it failed */
    bool seen;                  /* it is among the machines of this moment */
    bool told;                  /* its termination was logged */
    int64_t launched_ms;        /* when the last try to launch it ended */
    int64_t leaving_ms;         /* when it was first seen leaving */
    int64_t terminated_ms;      /* when the provider last confirmed a terminate */
    int64_t terminate_again_ms; /* earliest time of the next terminate */
    int64_t absent_ms;          /* when the first list that lacks it was begun */
};

/* A peer's answer to the request for a loan. */
enum fleet_answer { ANSWER_NONE, ANSWER_LENT, ANSWER_REFUSED };

/* The loan that this node asks for. */
struct fleet_wanted {
    struct uuid loan;
    int32_t node;             /* the peer asked; SCALING_NOBODY: no loan is wanted */
    int64_t refused_ms;       /* steady time of the last refusal; 0: never */
    enum fleet_answer answer; /* that the last fleet_read found */
    int32_t answered_by;      /* the peer that gave this answer */
};

struct fleet {
    const struct conf *conf;
    struct queue_tally tally;
    struct queue_fleet saved; /* after the saved machines come those that only the list has */
    struct fleet_note *notes[QUEUE_MACHINES_MAX]; /* of saved.machines, in their order */
    struct fleet_note all_notes[QUEUE_MACHINES_MAX];
    bool listed;           /* a list was taken */
    int64_t list_begun_ms; /* steady time */
    int list_count;
    struct provider_machine list[PROVIDER_LIST_MAX];
    struct queue_peers peers; /* and the loans */
    struct fleet_wanted wanted;
};

void fleet_open(struct fleet *fleet, const struct conf *conf);

/* Reads the state of the queue and of the fleet. False when the queue does not answer now. */
bool fleet_read(struct fleet *fleet, struct queue *queue);

/* Takes a list that the provider began at the steady time begun_ms. False, with the reason in *why,
 * when text is no valid list; the last list stays then. */
bool fleet_take_list(struct fleet *fleet, const char *text, int64_t begun_ms, const char **why);

/* Fills in the snapshot for the decision, machines in the order of fleet->saved.machines. */
void fleet_snapshot(const struct fleet *fleet, const struct provider *provider,
                    struct scaling_snapshot *snapshot);

/* The note of a machine, made when there is none; NULL when there are too many. */
struct fleet_note *fleet_note(struct fleet *fleet, const char *name);

/* The provider's ids of a machine: the saved one and those of the list. Returns their number, at
 * most PROVIDER_IDS_MAX; they stay valid until the fleet is read or a list is taken. */
int fleet_ids(const struct fleet *fleet, const struct queue_machine *machine,
              const char *ids[PROVIDER_IDS_MAX]);

/* Peer and loan part of fleet_read and fleet_snapshot; called after the rest. */
bool fleet_read_peers(struct fleet *fleet, struct queue *queue);
void fleet_describe_loans(const struct fleet *fleet, struct scaling_snapshot *snapshot);

/* Notes that a peer is asked for a loan. Call it at once: the answer may come before the next
 * reading. */
void fleet_note_wanted(struct fleet *fleet, const struct uuid *loan, int32_t node);

/* Notes that this node gives up the loan; if it was the wanted one, none is wanted any more. */
void fleet_forget_wanted(struct fleet *fleet, const struct queue_loan *loan);

/* How long a worker may be silent before this node takes it for dead; at least LEASE_SECONDS, so
 * its leases have lapsed. */
int64_t fleet_silent_ms(const struct conf *conf);

#endif
