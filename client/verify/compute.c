#include "verify/compute.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/stop.h"
#include "base/sum.h"
#include "clock.h"
#include "files/item_key.h"
#include "files/walk.h"
#include "kernels/kernels.h"
#include "kernels/selftest.h"
#include "memory.h"
#include "mill/mill.h"

enum {
    IN_HAND_MAX = 512, /* chains in the mill: more than any machine has lanes for */
    CHECK_PERCENT = 1, /* of the chains are checked by OpenSSL, as in a worker */
    MEASURE_MS = 500   /* between two measurements of the rate */
};

struct compute {
    struct checks *checks;
    struct kernels kernels;
    struct mill *mill;
    struct items items; /* collected, or a snapshot */
    struct buffer body;
    size_t next; /* the first check that was not started */
    int in_hand;
    int64_t ended;          /* checks */
    int64_t all_iterations; /* of all checks but those that are unreadable */
    int64_t ended_iterations;
    double rate;
    int64_t measured_ms;         /* when; 0: not yet */
    int64_t measured_iterations; /* done then */
};

/* The cores that this process may use. */
static int cores(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        return CPU_COUNT(&set);
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (int)count : 1;
}

/* Starts the mill, whose threads must leave all signals to this one. */
static struct mill *start_mill(const struct kernels *kernels, int threads) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    struct mill *mill = mill_open(threads, kernels, CHECK_PERCENT);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return mill;
}

struct compute *compute_open(struct checks *checks, char *why, size_t why_size) {
    struct compute *compute = memory_or_end(calloc(1, sizeof *compute), "the values");
    int most = cores();
    compute->checks = checks;
    for (size_t i = 0; i < checks->count; i++)
        compute->all_iterations = sum_capped(compute->all_iterations, checks->list[i].iterations);
    if (selftest_run(why, why_size) && kernels_open(&compute->kernels, NULL, why, why_size)) {
        int threads = checks->count < (size_t)most ? (int)checks->count : most;
        compute->mill = start_mill(&compute->kernels, threads > 0 ? threads : 1);
        if (!compute->mill)
            snprintf(why, why_size, "cannot start to compute");
    }
    if (compute->mill)
        return compute;
    compute_close(compute);
    return NULL;
}

/* Reads a file, and says what is wrong with it. */
static enum walk_step read_file(struct compute *compute, char *file) {
    struct command command = {.arguments = &file, .count = 1};
    const char *name;
    struct walk *walk = walk_open(&command);
    enum walk_step step = walk_next(walk, &name, &compute->body);
    walk_close(walk);
    return step;
}

/* Takes a value that is computed. */
static void end_check(struct compute *compute, struct check *check, const uint8_t *value) {
    memcpy(check->value, value, CHAIN_SIZE);
    check->state = CHECK_COMPUTED;
    compute->ended++;
    compute->ended_iterations = sum_capped(compute->ended_iterations, check->iterations);
}

/* Starts the next check. Nothing happens when the user wants to stop. */
static void start_check(struct compute *compute) {
    size_t number = compute->next;
    struct check *check = &compute->checks->list[number];
    struct item item = {.remaining = check->iterations - 1};
    enum walk_step step = read_file(compute, check->file);
    if (step == WALK_END || stop_asked())
        return;
    compute->next++;
    if (step == WALK_BAD) {
        check->state = CHECK_UNREADABLE;
        compute->ended++;
        compute->all_iterations -= check->iterations;
        return;
    }
    body_digest(item.chain, compute->body.data, compute->body.length);
    if (item.remaining == 0) {
        end_check(compute, check, item.chain);
        return;
    }
    memcpy(item.id, &number, sizeof number);
    mill_feed(compute->mill, &item);
    compute->in_hand++;
}

/* Takes the finished chains out of the mill. */
static void collect(struct compute *compute) {
    struct items *items = &compute->items;
    items->count = 0;
    mill_collect(compute->mill, items);
    for (int i = 0; i < items->count; i++) {
        size_t number;
        memcpy(&number, items->list[i].id, sizeof number);
        end_check(compute, &compute->checks->list[number], items->list[i].chain);
    }
    compute->in_hand -= items->count;
}

void compute_turn(struct compute *compute, int stop, int most_ms) {
    struct pollfd fds[] = {{.fd = mill_descriptor(compute->mill), .events = POLLIN},
                           {.fd = stop, .events = POLLIN}};
    bool more = compute->next < compute->checks->count;
    if (more && compute->in_hand < IN_HAND_MAX) {
        start_check(compute);
        most_ms = 0;
    }
    if (poll(fds, 2, most_ms) > 0 && fds[0].revents)
        collect(compute);
}

bool compute_is_over(const struct compute *compute) {
    return compute->ended == (int64_t)compute->checks->count;
}

/* The iterations done of the chains in the mill; *longest gets the most that one has left. */
static int64_t done_in_mill(struct compute *compute, int64_t *longest) {
    int64_t done = 0;
    compute->items.count = 0;
    mill_snapshot(compute->mill, 0, &compute->items);
    for (int i = 0; i < compute->items.count; i++) {
        const struct item *item = &compute->items.list[i];
        size_t number;
        memcpy(&number, item->id, sizeof number);
        done = sum_capped(done, compute->checks->list[number].iterations - item->remaining);
        *longest = item->remaining > *longest ? item->remaining : *longest;
    }
    return done;
}

/* Measures the rate, now and then; a new measurement counts half. */
static void measure(struct compute *compute, int64_t done) {
    int64_t now_ms = clock_steady_ms(), passed_ms = now_ms - compute->measured_ms;
    if (compute->measured_ms > 0 && passed_ms < MEASURE_MS)
        return;
    if (compute->measured_ms > 0) {
        double rate = (double)(done - compute->measured_iterations) * 1000 / (double)passed_ms;
        compute->rate = compute->rate > 0 ? (compute->rate + rate) / 2 : rate;
    }
    compute->measured_ms = now_ms;
    compute->measured_iterations = done;
}

/* Seconds to the end: of all chains in all lanes, but no less than the longest takes alone. */
static double seconds_left(struct compute *compute, int64_t left, int64_t longest) {
    int lanes = mill_lanes(compute->mill);
    int busy = compute->in_hand < lanes ? compute->in_hand : lanes;
    double all = (double)left / compute->rate;
    double one = (double)longest * busy / compute->rate;
    return all > one ? all : one;
}

void compute_progress(struct compute *compute, struct bar_state *state) {
    int64_t longest = 0;
    collect(compute);
    int64_t done = sum_capped(compute->ended_iterations, done_in_mill(compute, &longest));
    if (compute->next < compute->checks->count)
        longest = compute->checks->list[compute->next].iterations;
    measure(compute, done);
    *state = (struct bar_state){.items_done = compute->ended,
                                .items_all = (int64_t)compute->checks->count,
                                .iterations_done = done,
                                .iterations_all = compute->all_iterations,
                                .rate = compute->rate,
                                .eta_seconds = -1};
    if (compute->rate > 0)
        state->eta_seconds = seconds_left(compute, compute->all_iterations - done, longest);
}

void compute_close(struct compute *compute) {
    if (!compute)
        return;
    if (compute->mill)
        mill_close(compute->mill);
    items_free(&compute->items);
    buffer_free(&compute->body);
    free(compute);
}
