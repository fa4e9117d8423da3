#ifndef HASHMILL_OPERATION_H
#define HASHMILL_OPERATION_H

/* The operations of the channel, described in one table (operation.c). */

#include "queue/channel.h"
#include "store/store.h"

/* The body of a message: a struct, which may end in an array. */
struct operation_body {
    size_t size;     /* bytes, without the elements of the array */
    size_t element;  /* bytes of an element; 0: no array */
    size_t count_at; /* the offset of the number of elements, an int32_t */
    int32_t most;    /* most elements */
};

/* Whom an operation is of: offsets in its body. */
struct operation_client {
    size_t name_at;
    size_t quota_at; /* a struct queue_quota; 0: nobody's quotas are told with the answer */
};

struct operation_kind {
    const char *name;
    struct operation_body message;
    struct operation_body answer; /* of an OK answer; any other has no body */
    struct operation_client client;
    bool parks;      /* it may be parked, until until_ms */
    bool is_alone;   /* its process awaits the answer before it sends anything else */
    bool needs_room; /* refused while the disk is full */

    /* Whether its numbers are in the ranges of queue.h and queue_peers.h; ends its texts with a
     * NUL. NULL: they always are. */
    bool (*is_sane)(struct channel_message *operation);

    /* The most rows that it may touch. NULL: one. */
    int (*rows)(const struct channel_message *operation);

    /* Applies a sane operation in the batch under way; writes the answer's body in place. NULL: the
     * writer or the batch does that itself. */
    enum queue_result (*apply)(struct store *store, const struct channel_message *operation,
                               struct channel_message *answer);

    /* Whether an answer promises something that the replica must have first. NULL: never. */
    bool (*promises)(const struct channel_message *answer);
};

/* The kind of a message; NULL when its operation is unknown. */
const struct operation_kind *operation_kind(const struct channel_message *message);

/* The bytes of an operation; of an answer. 0 for a message that no process of this version can have
 * sent (a count out of range, no such operation). */
size_t operation_size(const struct channel_message *operation);
size_t operation_answer_size(const struct channel_message *answer);

/* The bytes of the largest answer to an operation. */
size_t operation_answer_max(const struct channel_message *operation);

/* Whether the numbers of an operation are in range; ends its texts with a NUL. */
bool operation_sane(struct channel_message *operation);

/* The most rows that an operation may touch. */
int operation_rows(const struct channel_message *operation);

#endif
