#include "metrics.h"

#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>

#include "clock.h"

typedef _Atomic int64_t count;

struct shared_histogram {
    count counts[METRICS_BUCKETS];
    count sum;
};

/* Of a route; the first is for requests that no route fits. */
struct route_place {
    count codes[METRICS_CODES];
    struct shared_histogram took;
};

/* Of a process. */
struct place {
    count counters[METRICS_COUNTERS];
    struct shared_histogram commits;
    struct shared_histogram waits;
    struct route_place routes[];
};

const struct metrics_scale metrics_durations = {1000000,
                                                {500, 1000, 2500, 5000, 10000, 25000, 50000, 100000,
                                                 250000, 500000, 1000000, 2500000, 5000000,
                                                 10000000, 30000000}};

const struct metrics_scale metrics_waits = {1000,
                                            {100, 500, 1000, 2000, 5000, 10000, 15000, 30000, 60000,
                                             300000, 900000, 3600000, 14400000, 43200000,
                                             86400000}};

const int metrics_codes[METRICS_CODES] = {200, 201, 204, 304, 400, 401, 403, 404, 405, 409, 410,
                                          412, 413, 415, 417, 421, 422, 429, 500, 503, 507, 0};

static struct {
    char *places; /* one after another */
    size_t place_size;
    int processes;
    int routes;
    int64_t start_ms;
    struct place *own; /* NULL: this process has none */
    int first_route;
} metrics;

bool metrics_open(int processes, int routes) {
    metrics.place_size = sizeof(struct place) + ((size_t)routes + 1) * sizeof(struct route_place);
    void *memory = mmap(NULL, (size_t)processes * metrics.place_size, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return false;
    metrics.places = memory;
    metrics.processes = processes;
    metrics.routes = routes;
    metrics.start_ms = clock_wall_ms();
    metrics.own = NULL;
    return true;
}

static struct place *place_of(int process) {
    return (struct place *)(void *)(metrics.places + (size_t)process * metrics.place_size);
}

void metrics_use(int process, int first_route) {
    if (process >= 0 && process < metrics.processes)
        metrics.own = place_of(process);
    metrics.first_route = first_route;
}

/* Nobody else writes to it: a load and a store are enough, which cost no bus lock. */
static void add(count *to, int64_t number) {
    atomic_store_explicit(to, atomic_load_explicit(to, memory_order_relaxed) + number,
                          memory_order_relaxed);
}

static int64_t read_count(const count *from) {
    return atomic_load_explicit(from, memory_order_relaxed);
}

static int bucket_of(const struct metrics_scale *scale, int64_t value) {
    int bucket = 0;
    while (bucket < METRICS_BUCKETS - 1 && value > scale->bounds[bucket])
        bucket++;
    return bucket;
}

void metrics_note(struct metrics_histogram *histogram, const struct metrics_scale *scale,
                  int64_t value) {
    histogram->counts[bucket_of(scale, value)]++;
    histogram->sum += value > 0 ? value : 0;
}

static void add_value(struct shared_histogram *to, int64_t us) {
    add(&to->counts[bucket_of(&metrics_durations, us)], 1);
    add(&to->sum, us > 0 ? us : 0);
}

void metrics_add_work(const struct metrics_work *work) {
    struct place *own = metrics.own;
    if (!own)
        return;
    for (int i = 0; i < METRICS_COUNTERS; i++)
        add(&own->counters[i], work->counts[i]);
    for (int i = 0; i < METRICS_BUCKETS; i++)
        add(&own->waits.counts[i], work->waits.counts[i]);
    add(&own->waits.sum, work->waits.sum);
}

void metrics_add_commit(int64_t us) {
    if (metrics.own)
        add_value(&metrics.own->commits, us);
}

static int column_of(int status) {
    int column = 0;
    while (column < METRICS_CODES - 1 && metrics_codes[column] != status)
        column++;
    return column;
}

/* The place of a route among those of a process: by its number among all, -1 for none. */
static int route_at(int route) {
    return route >= 0 && route < metrics.routes ? route + 1 : 0;
}

void metrics_add_request(int route, int status, int64_t us) {
    if (!metrics.own)
        return;
    struct route_place *to =
        &metrics.own->routes[route_at(route < 0 ? route : metrics.first_route + route)];
    add(&to->codes[column_of(status)], 1);
    add_value(&to->took, us);
}

int64_t metrics_start_ms(void) {
    return metrics.start_ms;
}

int64_t metrics_counter(enum metrics_counter counter) {
    int64_t sum = 0;
    for (int i = 0; i < metrics.processes; i++)
        sum += read_count(&place_of(i)->counters[counter]);
    return sum;
}

static void add_up(struct metrics_histogram *sum, const struct shared_histogram *from) {
    for (int i = 0; i < METRICS_BUCKETS; i++)
        sum->counts[i] += read_count(&from->counts[i]);
    sum->sum += read_count(&from->sum);
}

void metrics_item_waits(struct metrics_histogram *sum) {
    for (int i = 0; i < metrics.processes; i++)
        add_up(sum, &place_of(i)->waits);
}

void metrics_commits(struct metrics_histogram *sum) {
    for (int i = 0; i < metrics.processes; i++)
        add_up(sum, &place_of(i)->commits);
}

int64_t metrics_requests(int route, int column) {
    int64_t sum = 0;
    for (int i = 0; i < metrics.processes; i++)
        sum += read_count(&place_of(i)->routes[route_at(route)].codes[column]);
    return sum;
}

void metrics_requests_took(int route, struct metrics_histogram *sum) {
    for (int i = 0; i < metrics.processes; i++)
        add_up(sum, &place_of(i)->routes[route_at(route)].took);
}
