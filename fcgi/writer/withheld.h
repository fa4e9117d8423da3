#ifndef HASHMILL_WITHHELD_H
#define HASHMILL_WITHHELD_H

/*
 * The list of answers that the writer withholds with COPY=sync until the replica has what they
 * promise, or WITHHELD_MS have passed; the oldest first. When: must_withhold in writer.c; which
 * operations: their promises in operation.c; until when: store_may_answer in the store.
 *
 * A process awaits such an answer before it sends its next operation, so there are at most as many
 * answers as processes. Their memory is reused.
 */

#include "queue/channel.h"

enum { WITHHELD_MS = 2000 };

/* A withheld answer. */
struct withheld_answer {
    void *owner;      /* its connection */
    int64_t batch;    /* the replica must have this batch */
    int64_t until_ms; /* steady time: send it then anyway */
    size_t size;      /* bytes of the answer */
    const struct channel_message *answer;
};

struct withheld;

/* NULL when memory is short. */
struct withheld *withheld_new(void);
void withheld_free(struct withheld *withheld);

/* Appends a copy of an answer. False when memory is short. */
bool withheld_add(struct withheld *withheld, void *owner, int64_t batch,
                  const struct channel_message *answer, int64_t until_ms);

/* The oldest answer, or NULL. withheld_remove takes it out; it can be read until the next
 * withheld_add. */
const struct withheld_answer *withheld_first(const struct withheld *withheld);
void withheld_remove(struct withheld *withheld);

/* Sets the deadline of all answers. */
void withheld_prolong(struct withheld *withheld, int64_t until_ms);

/* Drops the answers of a connection that is gone. */
void withheld_disown(struct withheld *withheld, const void *owner);

#endif
