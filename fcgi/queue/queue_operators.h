#ifndef HASHMILL_QUEUE_OPERATORS_H
#define HASHMILL_QUEUE_OPERATORS_H

/*
 * What operators do with a node: pause parts of it; and see of it: what each client has. Part of
 * queue.h, for those who need it.
 */

#include "queue.h"

/* The parts of a node that an operator can pause, as bits. */
enum queue_part {
    PART_INTAKE = 1,  /* no new item is stored */
    PART_LEASING = 2, /* no item is leased */
    PART_SCALING = 4  /* no machine is launched or terminated */
};
enum { QUEUE_PARTS = 3, QUEUE_PARTS_ALL = PART_INTAKE | PART_LEASING | PART_SCALING };

/* "intake", "leasing", "scaling": that of the bit 1 << number. */
extern const char *const queue_part_names[QUEUE_PARTS];

/* Pauses a part, or has it go on. *paused gets the bits of all parts that are paused then. It is
 * kept over restarts. OK, also when it is as wanted already; DISK_FULL, DOWN, UNKNOWN, FAULT. */
struct queue_pause {
    char who[QUEUE_NAME_SIZE]; /* the operator; "" for who has no key */
    int32_t part;              /* enum queue_part */
    int32_t begins;            /* 0: it goes on */
};
enum queue_result queue_pause(struct queue *queue, const struct queue_pause *pause,
                              int64_t *paused);

enum { QUEUE_CLIENTS_MAX = 1000 };

/* What each client has: of the first QUEUE_CLIENTS_MAX, in the order in which they came. */
struct queue_clients {
    int32_t count;
    int32_t reserved;
    struct {
        char name[QUEUE_NAME_SIZE]; /* "": who has no key */
        int64_t items[ITEM_STATES]; /* how many are in each state */
        int64_t remaining;          /* iterations still to compute */
    } list[QUEUE_CLIENTS_MAX];
};

/* Reads the durable state, and costs none of the engine's writing side. OK, DOWN, FAULT. */
enum queue_result queue_clients(struct queue *queue, struct queue_clients *clients);

/* Whether a text can be the name of an operator or of an identity: 1 to 64 letters, digits, dots,
 * underscores and dashes. */
bool queue_is_name(const char *text);

#endif
