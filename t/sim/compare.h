#ifndef HASHMILL_SIM_COMPARE_H
#define HASHMILL_SIM_COMPARE_H

#include "sim.h"

/* What a database says of itself. */
struct look {
    uint8_t id[ID_SIZE];
    int64_t epoch;
    int64_t batch;
    uint8_t check[32]; /* over all batches so far */
    bool incomplete;
    int64_t met_epoch;  /* of the other node's database, by its last hello */
    int64_t to_do;      /* items that wait or are leased */
    int64_t reserved;   /* items set aside and not settled */
    int64_t open_pulls; /* as the coordinator */
};

/* Looks into the node's file DATABASE with `end`, "" or "-replica", after it. False when it cannot
 * be read now. */
bool look_at(const struct node *node, const char *end, struct look *found);

/* Notes which epoch of the other node's database this one has met. */
void compare_note_epoch(const struct node *node, const struct look *look);

/* Forgets the batches seen of a node whose database was replaced by hand: they may be made again.
 */
void compare_forget(const struct node *node);

/* Checks that an item that a client was told of is in the replica: with COPY=sync, and unless the
 * node has saved that its replica is incomplete. */
void compare_held(const struct node *node, struct uuid id);

/* The state of an item in its node's database, by number; -1 when it is not there. */
int compare_item_state(const struct node *node, struct uuid id);

/* Whether the replica of a node's database is at the same batch, by number and check; if so,
 * compares all rows. Checks the counts of the database in any case. */
bool compare_replica(const struct node *node);
extern int64_t compare_found;

#endif
