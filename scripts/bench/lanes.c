/*
 * How well the mill keeps its lanes busy, and how long short chains wait beside long ones. Prints
 * one line for each figure, the median of the repeats: name, figure, unit. Uses all cores
 * for some 20 s.
 */
#include "worker/mill/mill.h"

#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
    REPEATS = 5,
    RANDOM_CHAINS = 10000,
    RANDOM_ITERATIONS = 100000,
    SHORT_CHAINS = 10000,
    SHORT_ITERATIONS = 5000, /* 1 to this many */
    FULL_NS = 300000000      /* for the rate of lanes that are never refilled */
};

#define ENDLESS (ITERATIONS_MAX / 2)

static struct kernels kernels;
static int threads;
static unsigned short randoms[3] = {1, 2, 3}; /* every run has the same lengths and times */

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t random_up_to(int64_t most) {
    return 1 + (int64_t)(erand48(randoms) * (double)most);
}

/* Feeds an item whose id says its number. */
static void feed(struct mill *mill, int number, int64_t remaining) {
    struct item item = {.remaining = remaining};
    memcpy(item.id, &number, sizeof number);
    memcpy(item.chain, &number, sizeof number);
    mill_feed(mill, &item);
}

static struct mill *open_mill(void) {
    struct mill *mill = mill_open(threads, &kernels, 1);
    if (!mill)
        exit(EXIT_FAILURE);
    return mill;
}

/* Sum of what the endless chains of a mill have before them. */
static int64_t sum_remaining(struct mill *mill) {
    struct items list = {0};
    int64_t sum = 0;
    mill_snapshot(mill, 0, &list);
    for (int i = 0; i < list.count; i++)
        sum += list.list[i].remaining;
    items_free(&list);
    return sum;
}

/* Iterations a second with a chain in every lane that is never finished. */
static double full_rate(void) {
    struct mill *mill = open_mill();
    for (int i = 0; i < mill_lanes(mill); i++)
        feed(mill, i, ENDLESS / 1000);
    usleep(20000);
    int64_t start_ns = now_ns(), start = sum_remaining(mill);
    usleep(FULL_NS / 1000);
    int64_t iterations = start - sum_remaining(mill);
    double rate = (double)iterations * 1e9 / (double)(now_ns() - start_ns);
    mill_close(mill);
    return rate;
}

/* Iterations a second of chains of random length, until there are fewer than lanes. */
static double random_rate(void) {
    struct mill *mill = open_mill();
    struct items list = {0};
    int64_t sum = 0;
    int64_t start_ns = now_ns();
    for (int i = 0; i < RANDOM_CHAINS; i++) {
        int64_t remaining = random_up_to(RANDOM_ITERATIONS);
        sum += remaining;
        feed(mill, i, remaining);
    }
    int left = RANDOM_CHAINS;
    while (left > mill_lanes(mill)) {
        struct pollfd fd = {.fd = mill_descriptor(mill), .events = POLLIN};
        poll(&fd, 1, 1000);
        mill_collect(mill, &list);
        left -= list.count;
        list.count = 0;
    }
    double rate = (double)(sum - sum_remaining(mill)) * 1e9 / (double)(now_ns() - start_ns);
    items_free(&list);
    mill_close(mill);
    return rate;
}

/* The short chains of one run. */
struct shorts {
    int64_t fed_ns[SHORT_CHAINS], iterations[SHORT_CHAINS];
    double waited_ms[SHORT_CHAINS]; /* from feed to result, less the chain's own time */
    int fed, finished;
};

/* Takes what is finished, and notes how long it took. */
static void collect(struct mill *mill, struct shorts *shorts) {
    struct items list = {0};
    mill_collect(mill, &list);
    int64_t now = now_ns();
    for (int i = 0; i < list.count; i++) {
        int number;
        memcpy(&number, list.list[i].id, sizeof number);
        double own_ns = (double)shorts->iterations[number] * kernels.steps[LANES_MAX].ns;
        shorts->waited_ms[shorts->finished++] =
            ((double)(now - shorts->fed_ns[number]) - own_ns) / 1e6;
    }
    items_free(&list);
}

/* Feeds the short chains at random times, at `load` of the mill's rate, beside `endless` endless
 * ones. */
static void feed_shorts(struct shorts *shorts, int endless, double load, double rate) {
    struct mill *mill = open_mill();
    for (int i = 0; i < endless; i++)
        feed(mill, SHORT_CHAINS + i, ENDLESS);
    double gap_ns = SHORT_ITERATIONS / 2.0 / (rate * load) * 1e9;
    int64_t next_ns = now_ns() + 10000000;
    shorts->fed = shorts->finished = 0;
    while (shorts->finished < SHORT_CHAINS) {
        int64_t until_ns = shorts->fed < SHORT_CHAINS ? next_ns - now_ns() : 1000000000;
        struct timespec wait = {.tv_sec = until_ns / 1000000000, .tv_nsec = until_ns % 1000000000};
        struct pollfd fd = {.fd = mill_descriptor(mill), .events = POLLIN};
        if (until_ns > 0 && ppoll(&fd, 1, &wait, NULL) > 0)
            collect(mill, shorts);
        while (shorts->fed < SHORT_CHAINS && next_ns <= now_ns()) {
            int number = shorts->fed++;
            shorts->fed_ns[number] = now_ns();
            shorts->iterations[number] = random_up_to(SHORT_ITERATIONS);
            feed(mill, number, shorts->iterations[number]);
            next_ns += (int64_t)(-log(1 - erand48(randoms)) * gap_ns);
        }
    }
    mill_close(mill);
}

static int by_size(const void *one, const void *other) {
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

static double quantile(double *values, int count, double part) {
    qsort(values, (size_t)count, sizeof *values, by_size);
    return values[(int)((count - 1) * part)];
}

/* What is measured once in every repeat. */
enum figure { FULL, BUSY, ONE_P50, ONE_P99, MANY_P50, MANY_P99, FIGURES };

static const struct {
    const char *name, *unit;
} labels[FIGURES] = {{"full-lanes", "M/s"},     {"random-lanes-busy", "%"},
                     {"beside-one-p50", "ms"},  {"beside-one-p99", "ms"},
                     {"beside-many-p50", "ms"}, {"beside-many-p99", "ms"}};

static void measure(double figures[FIGURES]) {
    static struct shorts shorts;
    double before = full_rate();
    double rate = random_rate();
    double full = (before + full_rate()) / 2;
    figures[FULL] = full / 1e6;
    figures[BUSY] = 100 * rate / full;
    feed_shorts(&shorts, 1, 0.5, full);
    figures[ONE_P50] = quantile(shorts.waited_ms, SHORT_CHAINS, 0.5);
    figures[ONE_P99] = quantile(shorts.waited_ms, SHORT_CHAINS, 0.99);
    feed_shorts(&shorts, 4 * LANES_MAX * threads, 0.25, full);
    figures[MANY_P50] = quantile(shorts.waited_ms, SHORT_CHAINS, 0.5);
    figures[MANY_P99] = quantile(shorts.waited_ms, SHORT_CHAINS, 0.99);
}

int main(void) {
    double figures[FIGURES], all[FIGURES][REPEATS] = {{0}};
    char why[300];
    threads = (int)sysconf(_SC_NPROCESSORS_ONLN);
    if (!kernels_open(&kernels, NULL, why, sizeof why)) {
        fprintf(stderr, "%s\n", why);
        return EXIT_FAILURE;
    }
    for (int i = 0; i < REPEATS; i++) {
        measure(figures);
        for (int figure = 0; figure < FIGURES; figure++)
            all[figure][i] = figures[figure];
    }
    for (int figure = 0; figure < FIGURES; figure++)
        printf("%-18s %9.2f %s\n", labels[figure].name, quantile(all[figure], REPEATS, 0.5),
               labels[figure].unit);
    return EXIT_SUCCESS;
}
