#ifndef HASHMILL_METRICS_H
#define HASHMILL_METRICS_H

/*
 * What the processes of a server count, for GET /metrics: in memory that they share. Each process
 * has a place there that only it writes to, so nobody waits for a lock, and counts go on when a
 * process was started again. All are 0 when the server starts or reloads.
 *
 * A process without a place counts nothing.
 */

#include <stdbool.h>
#include <stdint.h>

enum metrics_counter {
    METRICS_ENQUEUED, /* items */
    METRICS_DONE,
    METRICS_PULLED,
    METRICS_CANCELLED,
    METRICS_ITERATIONS, /* that workers have reported */
    METRICS_LAPSED,     /* items whose leases lapsed */
    METRICS_FAULTS,     /* items reported as they cannot be */
    METRICS_COUNTERS
};

enum {
    METRICS_BUCKETS = 16, /* of a histogram; the last one has no bound */
    METRICS_CODES = 22    /* of replies; the last one is any other */
};

/* How values of a histogram are counted: in whole parts of a second. */
struct metrics_scale {
    int64_t parts; /* of a second */
    int64_t bounds[METRICS_BUCKETS - 1];
};
extern const struct metrics_scale metrics_durations; /* of requests and commits: microseconds */
extern const struct metrics_scale metrics_waits;     /* of items: milliseconds */

/* How many values were in each bucket, and their sum in parts of a second. */
struct metrics_histogram {
    int64_t counts[METRICS_BUCKETS];
    int64_t sum;
};

/* The statuses of replies that have a column; 0 for any other. */
extern const int metrics_codes[METRICS_CODES];

/* What a batch of the writer has done, to be counted once it is committed. */
struct metrics_work {
    int64_t counts[METRICS_COUNTERS];
    struct metrics_histogram waits;
};

/* Makes the memory for this number of processes and routes; once, before the first fork. False,
 * with errno, when there is none. */
bool metrics_open(int processes, int routes);

/* Takes the place of this process, 0 to processes - 1. `first_route` is the number of the first
 * route of its table among all. */
void metrics_use(int process, int first_route);

/* Counts a value in a histogram of this process's own memory. */
void metrics_note(struct metrics_histogram *histogram, const struct metrics_scale *scale,
                  int64_t value);

/* Counts what a batch has done; how long its commit took. */
void metrics_add_work(const struct metrics_work *work);
void metrics_add_commit(int64_t us);

/* Counts a request that is answered: the place of its route in the process's table, -1 for none;
 * the reply's status; the microseconds since it came. */
void metrics_add_request(int route, int status, int64_t us);

/* --- Read: sums over all processes --- */

/* When the server was started or reloaded, in wall time. */
int64_t metrics_start_ms(void);

int64_t metrics_counter(enum metrics_counter counter);
void metrics_item_waits(struct metrics_histogram *sum);
void metrics_commits(struct metrics_histogram *sum);

/* Of a route by its number among all, -1 for none: how often it was answered with the status in
 * that column; adds how long it took. */
int64_t metrics_requests(int route, int column);
void metrics_requests_took(int route, struct metrics_histogram *sum);

#endif
