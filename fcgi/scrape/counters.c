/* The counters and histograms of GET /metrics. */

#include <stdio.h>
#include <string.h>

#include "base/refusals.h"
#include "metrics/exposition.h"
#include "parts.h"

static const struct {
    enum metrics_counter counter;
    const char *name;
    const char *help;
} counters[] = {
    {METRICS_ENQUEUED, "hashmill_items_enqueued_total", "Items stored."},
    {METRICS_DONE, "hashmill_items_done_total", "Items whose value was found."},
    {METRICS_PULLED, "hashmill_items_pulled_total", "Items handed out for good."},
    {METRICS_CANCELLED, "hashmill_items_cancelled_total", "Items cancelled."},
    {METRICS_ITERATIONS, "hashmill_iterations_total", "Iterations that workers have reported."},
    {METRICS_LAPSED, "hashmill_leases_lapsed_total",
     "Items taken back from a worker that was silent for LEASE_SECONDS."},
    {METRICS_FAULTS, "hashmill_faults_total",
     "Reported items that cannot be right: another chain than is stored, or faster than any "
     "machine."},
};

/* The pattern of a route's path, as it is a label. */
static const char *pattern_of(const struct route *route, char pattern[64]) {
    bool item = route->path[strlen(route->path) - 1] == '/';
    snprintf(pattern, 64, "%s%s", route->path, item ? "ID" : "");
    return pattern;
}

/* Whether an earlier route of a table has the path of this one. */
static bool is_repeated(const struct route *table, const struct route *route) {
    while (table < route && strcmp(table->path, route->path) != 0)
        table++;
    return table < route;
}

/* Appends how often a route (-1: none) was answered with each status. One that was never sent has
 * no sample. */
static void put_codes(struct buffer *text, int number, const char *pattern, const char *method) {
    for (int column = 0; column < METRICS_CODES; column++) {
        char code[16] = "other";
        int64_t count = metrics_requests(number, column);
        if (metrics_codes[column] != 0)
            snprintf(code, sizeof code, "%d", metrics_codes[column]);
        if (count > 0)
            exposition_put(text, "hashmill_requests_total",
                           LABELS({"route", pattern}, {"method", method}, {"code", code}), count);
    }
}

static void put_requests(struct buffer *text, const struct route *const *tables) {
    char pattern[64];
    int number = 0;
    exposition_begin(text, "hashmill_requests_total", "counter",
                     "Requests that the server has answered.");
    for (; *tables; tables++) {
        for (const struct route *route = *tables; route->method; route++, number++)
            put_codes(text, number, pattern_of(route, pattern), route->method);
    }
    put_codes(text, -1, "none", "other");
}

/* Appends how long a route took, if it was called. */
static void put_duration(struct buffer *text, const struct metrics_histogram *took,
                         const char *pattern) {
    bool any = false;
    for (int i = 0; i < METRICS_BUCKETS; i++)
        any |= took->counts[i] > 0;
    if (any)
        exposition_put_histogram(text, "hashmill_request_duration_seconds",
                                 LABELS({"route", pattern}), took, &metrics_durations);
}

static void put_durations(struct buffer *text, const struct route *const *tables) {
    char pattern[64];
    struct metrics_histogram none = {.sum = 0};
    int first = 0; /* the number of a table's first route */
    exposition_begin(text, "hashmill_request_duration_seconds", "histogram",
                     "Time from a request to its answer, with what a long poll was held for.");
    for (; *tables; tables++) {
        int number = 0;
        for (const struct route *route = *tables; route->method; route++, number++) {
            struct metrics_histogram took = {.sum = 0};
            if (is_repeated(*tables, route))
                continue;
            for (int other = number; (*tables)[other].method; other++) {
                if (strcmp((*tables)[other].path, route->path) == 0)
                    metrics_requests_took(first + other, &took);
            }
            put_duration(text, &took, pattern_of(route, pattern));
        }
        first += number;
    }
    metrics_requests_took(-1, &none);
    put_duration(text, &none, "none");
}

static void put_writer(struct buffer *text) {
    struct metrics_histogram commits = {.sum = 0};
    struct metrics_histogram waits = {.sum = 0};
    metrics_commits(&commits);
    metrics_item_waits(&waits);
    exposition_begin(text, "hashmill_commit_duration_seconds", "histogram",
                     "Time to make a batch of changes durable.");
    exposition_put_histogram(text, "hashmill_commit_duration_seconds", NULL, &commits,
                             &metrics_durations);
    exposition_begin(text, "hashmill_item_wait_seconds", "histogram",
                     "How long an item had waited when it was leased: since it was enqueued or "
                     "given back.");
    exposition_put_histogram(text, "hashmill_item_wait_seconds", NULL, &waits, &metrics_waits);
}

void scrape_put_counters(struct buffer *text, const struct route *const *tables) {
    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++) {
        exposition_begin(text, counters[i].name, "counter", counters[i].help);
        exposition_put(text, counters[i].name, NULL, metrics_counter(counters[i].counter));
    }
    exposition_begin(text, "hashmill_keys_refused_total", "counter",
                     "Calls refused for their key or token.");
    exposition_put(text, "hashmill_keys_refused_total", NULL, refusals_count());
    put_requests(text, tables);
    put_durations(text, tables);
    put_writer(text);
}
