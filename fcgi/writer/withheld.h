#ifndef HASHMILL_WITHHELD_H
#define HASHMILL_WITHHELD_H

/*
 * Answers that the writer holds back with COPY=sync until the peer has what they promise, or for
 * HELD_MS: in the order in which they were held. Each process waits for one such answer before it
 * asks for anything else, so there are no more of them than processes, and their memory is kept for
 * those to come.
 */

#include "queue/channel.h"

enum { HELD_MS = 2000 };

/* An answer that is held. */
struct held_answer {
    void *owner;      /* the connection that it goes to */
    int64_t batch;    /* that the replica must have */
    int64_t until_ms; /* steady time: it goes out then anyway */
    size_t size;      /* bytes of the answer */
    const struct channel_message *answer;
};

struct held;

/* NULL when memory is short. */
struct held *held_new(void);
void held_free(struct held *held);

/* Holds a copy of an answer. False when memory is short. */
bool held_add(struct held *held, void *owner, int64_t batch, const struct channel_message *answer,
              int64_t until_ms);

/* The one held longest, or NULL. held_remove takes it out; it can be read until the next is added.
 */
const struct held_answer *held_first(const struct held *held);
void held_remove(struct held *held);

/* Has all of them wait until then. */
void held_prolong(struct held *held, int64_t until_ms);

/* Drops the answers of a connection that is gone. */
void held_disown(struct held *held, const void *owner);

#endif
