#ifndef HASHMILL_QUEUE_HISTORY_H
#define HASHMILL_QUEUE_HISTORY_H

/* What was done in the past, a row for each minute, and for each hour before the last two days.
 * Part of queue.h, for those who need it. */

#include "queue.h"

enum { QUEUE_STEPS_MAX = 720 };

/* One minute or hour, or several together. */
struct queue_step {
    int64_t seconds;        /* counted ones; 0: nothing is known, and the rest means nothing */
    struct queue_work work; /* the sums over these seconds, */
    int64_t refused;        /* and of the calls whose credential was refused */
    int64_t waiting;        /* items, at the end */
    int64_t oldest_wait_ms; /* the longest that was seen */
    int64_t workers;        /* that had called in the last minute, at the end */
    int64_t machines;       /* of this node that were not gone, at the end */
};

/* A span of the past in steps of equal length. */
struct queue_history {
    int64_t from;         /* Unix time in seconds: the start of the first step */
    int32_t step_seconds; /* length of one; 60 or more */
    int32_t count;        /* 1..QUEUE_STEPS_MAX */
    struct queue_step steps[QUEUE_STEPS_MAX];
};

/* Reads the steps; from, step_seconds and count are given. An hour's row is in no step that is
 * shorter. It only reads, and needs none of the engine's writing side. OK, DOWN, FAULT. */
enum queue_result queue_history(struct queue *queue, struct queue_history *history);

#endif
