#ifndef HASHMILL_OPERATION_H
#define HASHMILL_OPERATION_H

/* The operations of the channel: what each is, in one table (operation.c). */

#include "queue/channel.h"
#include "store/store.h"

/* A body of a message: one thing, or one that ends in an array. */
struct operation_body {
    size_t size;     /* bytes; of one with an array, those before its elements */
    size_t element;  /* bytes of an element; 0: there is no array */
    size_t count_at; /* the offset of the number of elements, an int32_t */
    int32_t most;    /* elements */
};

struct operation_kind {
    const char *name;
    struct operation_body message;
    struct operation_body answer; /* of one that went well; any other has no body */
    bool parks;      /* its answer may wait for something: until_ms is the end of that wait */
    bool is_alone;   /* its process sends nothing more on the channel before it has the answer */
    bool needs_room; /* it is refused while the disk is full */

    /* Whether its numbers are such as queue.h and queue_peers.h allow; ends its texts. NULL: they
     * always are. */
    bool (*is_sane)(struct channel_message *operation);

    /* The rows that it may touch at most. NULL: one. */
    int (*rows)(const struct channel_message *operation);

    /* Does what a sane one asks for, in the batch under way; the body of the answer is written in
     * place. NULL: it is the writer's or the batch's own business. */
    enum queue_result (*apply)(struct store *store, const struct channel_message *operation,
                               struct channel_message *answer);

    /* Whether an answer promises something that the replica is to have first. NULL: never. */
    bool (*promises)(const struct channel_message *answer);
};

/* What a message is; NULL when its number is none. */
const struct operation_kind *operation_kind(const struct channel_message *message);

/* The bytes of a message: of an operation, of an answer. Both are 0 for a message that no process
 * of this version can have sent (a count out of range, no such operation). */
size_t operation_size(const struct channel_message *operation);
size_t operation_answer_size(const struct channel_message *answer);

/* The bytes of the largest answer that it may get. */
size_t operation_answer_max(const struct channel_message *operation);

/* Whether its numbers are good ones; ends its texts. */
bool operation_sane(struct channel_message *operation);

/* The rows that it may touch at most. */
int operation_rows(const struct channel_message *operation);

#endif
