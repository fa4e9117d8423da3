/* The forecast of an item, and of everything, by cases. Rates are in thousands of iterations a
 * second here: a worker of one core computes 1,600 k/s over 16 lanes, one of its chains 100 k/s
 * when all are in use. */
#include "fcgi/stats/eta.h"

#include <math.h>
#include <string.h>

#include "fcgi/queue/queue_operators.h"
#include "tap.h"

enum { K = 1000, NOW = 10000000, RATE = 1600 * K, LEASE_MS = 60000 };

static struct eta_rules rules;
static struct queue_load load;
static struct queue_progress item;
static struct eta eta;

/* A node without workers and items. */
static void begin(void) {
    rules = (struct eta_rules){
        .wait_launch_ms = 15000, .boot_ms = 60000, .workers_max = 3, .lease_ms = LEASE_MS};
    memset(&load, 0, sizeof load);
    load.clock_ms = NOW;
    load.oldest_ms = -1;
    load.boot_ms = -1;
}

static void add_workers(int count) {
    for (int i = 0; i < count; i++, load.worker_count++)
        load.workers[load.worker_count] = (struct load_worker){.seq = load.worker_count,
                                                               .kernel = "openssl",
                                                               .cores = 1,
                                                               .rate = RATE,
                                                               .heard_ms = NOW - 1000};
}

/* Items that a worker has in hand, leased this long ago. */
static void add_held(int64_t worker, int count, int64_t remaining, int64_t ago_ms) {
    for (int i = 0; i < count; i++)
        load.held[load.held_count++] =
            (struct load_held){worker, remaining, remaining, NOW - ago_ms, NOW - ago_ms};
    load.leased += count;
    load.remaining += count * remaining;
}

/* The item to look at: one of the first worker, leased this long ago. */
static void lease(int64_t remaining, int64_t ago_ms) {
    item = (struct queue_progress){.state = ITEM_LEASED,
                                   .remaining = remaining,
                                   .granted = remaining,
                                   .granted_ms = NOW - ago_ms,
                                   .moved_ms = NOW - ago_ms,
                                   .deadline_ms = NOW + LEASE_MS / 2,
                                   .worker = 0,
                                   .kernel = "openssl",
                                   .cores = 1,
                                   .rate = RATE,
                                   .heard_ms = NOW - 1000};
    add_held(0, 1, remaining, ago_ms);
}

/* The same: one that waits, behind others. */
static void wait_behind(int64_t ahead, int64_t ahead_remaining, int64_t remaining) {
    item = (struct queue_progress){.state = ITEM_WAITING,
                                   .remaining = remaining,
                                   .weight = 1,
                                   .ahead = ahead,
                                   .ahead_work = (double)(ahead * ahead_remaining)};
    load.waiting = ahead + 1;
    load.remaining += ahead * ahead_remaining + remaining;
    load.oldest_ms = NOW - 1000;
}

static void look(void) {
    eta_of_item(&rules, &load, &item, &eta);
}

/* Whether a forecast is in order, and an undisturbed course takes from low to high. */
static void is_between(double low, double high, const char *name) {
    bool good = eta.known && eta.low >= 0 && eta.low <= eta.likely && eta.likely <= eta.high &&
                eta.likely >= low && eta.likely <= high;
    if (!ok(good, "%s", name))
        printf("# known %d: %g to %g, likely %g\n", eta.known, eta.low, eta.high, eta.likely);
}

static void is_like(const char *part, const char *name) {
    if (!ok(strstr(eta.why, part), "%s", name))
        printf("# it is: %s\n", eta.why);
}

static void test_leased(void) {
    begin();
    add_workers(1);
    lease(10 * RATE, 0);
    look();
    is_between(10, 20, "alone: as fast as a chain can be");
    is_int((long long)eta.rate, 0, "no rate before a report");
    ok(eta.why[0] == '\0' && eta.start < 0, "it moves, and is leased");

    begin();
    add_workers(1);
    lease(10 * RATE, 5000);
    look();
    is_between(5, 12, "what was computed since the lease is taken off");

    begin();
    add_workers(1);
    add_held(0, 15, 1000 * RATE, 0);
    lease(RATE, 0);
    look();
    is_between(10, 32, "beside 15 others: at a 16th of the rate");

    begin();
    add_workers(1);
    add_held(0, 100, RATE, 1000);
    add_held(0, 100, RATE, 0);
    lease(100 * K, 0);
    look();
    double alone = eta.likely;
    begin();
    add_workers(1);
    add_held(0, 200, 50 * K, 1000);
    lease(100 * K, 0);
    look();
    ok(eta.likely > 2 * alone, "shorter ones come before it, longer ones do not");

    begin();
    add_workers(2);
    add_held(1, 500, RATE, 0);
    lease(10 * RATE, 0);
    look();
    is_between(10, 20, "what another worker holds does not count");
}

static void test_measured(void) {
    begin();
    add_workers(1);
    lease(100 * K, 60000);
    item.rate = 10 * K;
    item.granted = 700 * K;
    item.moved_ms = NOW - 10000;
    item.granted_ms = NOW - 70000;
    look();
    is_int((long long)eta.rate, 10 * K, "the rate since the lease");
    is_between(0, 1, "nearly done, by that rate");

    item.remaining = 400 * K;
    item.moved_ms = NOW - 10000;
    item.points[0] = (struct queue_point){600 * K, NOW - 30000};
    item.point_count = 1;
    look();
    ok(eta.rate > 5500 && eta.rate < 10 * K, "a late stretch counts more than an early one");
    is_between(40, 65, "what is left at that rate, less what was computed since");

    item.points[0].at_ms = NOW - 10000;
    look();
    ok(isfinite(eta.rate) && eta.rate > 0, "two reports at one moment do no harm");

    item.heard_ms = NOW - LEASE_MS;
    look();
    is_like("silent", "a silent worker is told");
    ok(!eta.known, "and nothing is forecast");
    item.heard_ms = NOW;
    item.quarantined = 1;
    look();
    is_like("quarantine; the item waits again in 30 s.", "so is quarantine");
}

/* Items that were done lately: this many, of this length, after this time. */
static void add_lately(int count, int64_t links, int64_t took_ms, int64_t ago_ms) {
    for (int i = 0; i < count; i++)
        item.lately[item.lately_count++] = (struct queue_took){links, took_ms, NOW - ago_ms};
}

static void test_lately(void) {
    begin();
    add_workers(1);
    lease(RATE, 0);
    look();
    double without = eta.likely;
    add_lately(10, RATE, 8000, 1000);
    look();
    is_between(4.3, 4.5, "two thirds of the way, in factors, to what its like took lately");
    ok(eta.likely > without, "and not only by what its worker says");

    item.lately_count = 0;
    add_lately(10, RATE / 2, 4000, 1000);
    look();
    is_between(4.3, 4.5, "half as long ones take half as long");

    item.lately_count = 0;
    add_lately(10, RATE, 8000, 1000);
    item.granted_ms = item.moved_ms = NOW - 6000;
    look();
    is_between(1.1, 1.3, "less what has passed since the lease");
    add_lately(10, RATE, 5000, 60000);
    look();
    is_between(1.1, 1.3, "those that took less than that do not count");

    lease(RATE, 0);
    item.lately_count = 0;
    add_lately(10, RATE, 8000, 600000);
    add_lately(10, 100 * RATE, 80000, 1000);
    add_lately(3, RATE, 8000, 1000);
    look();
    ok(eta.likely < 4, "nor those of long ago, of another length, or a few");

    begin();
    add_workers(1);
    add_held(0, 16, 10 * RATE, 0);
    wait_behind(100, RATE, RATE);
    add_lately(10, RATE, 20000, 1000);
    look();
    ok(eta.known && eta.likely > eta.start + 10, "the same once it is leased");
}

static void test_waiting(void) {
    begin();
    add_workers(1);
    wait_behind(0, 0, RATE);
    look();
    is_between(1, 2, "idle: its own time");
    ok(eta.start >= 0 && eta.start < 1, "it starts at once");

    begin();
    add_workers(1);
    add_held(0, 16, 10 * RATE, 0);
    wait_behind(100, RATE, RATE);
    look();
    is_between(100, 300, "busy: those ahead come first");
    ok(eta.start > 50 && eta.start < eta.likely, "and it starts when they have");
    double one = eta.likely;
    add_workers(1);
    add_held(1, 16, 10 * RATE, 0);
    look();
    ok(eta.likely < one, "two workers are faster");

    begin();
    add_workers(1);
    add_held(0, 16, 10 * RATE, 0);
    wait_behind(0, 0, RATE);
    item.more = 1;
    item.rank = 5000000000 + 2000 * (int64_t)RATE;
    load.virtual = 5000000000;
    load.clients[0] = (struct load_client){1, 3000 * (int64_t)RATE};
    load.clients[1] = (struct load_client){2, 500 * (int64_t)RATE};
    load.client_count = 2;
    look();
    is_between(2300, 2900, "far behind: by virtual time, but no more than a client has");
    load.clients[1].remaining = 1000000 * (int64_t)RATE;
    look();
    is_between(5500, 7000, "and by weight");
}

static void test_nobody(void) {
    begin();
    wait_behind(0, 0, RATE);
    look();
    is_like("launches none", "no worker, no provider");
    ok(!eta.known && eta.start < 0, "nothing is forecast");

    rules.launches = true;
    load.oldest_ms = NOW - 6000;
    look();
    is_like("one is launched in 9 s.", "a provider: when the oldest wait is too long");
    ok(!eta.known, "the rate of a machine is not known yet");
    load.machine_rate = RATE;
    look();
    is_between(9 + 60 + 1, 9 + 60 + 20, "when it is: after the launch and the boot");
    load.boot_ms = 20000;
    look();
    is_between(9 + 20 + 1, 9 + 20 + 20, "with the boot time as measured");

    load.oldest_ms = NOW - 60000;
    look();
    is_like("one is being launched", "it is late");
    load.booting[load.booting_count++].launched_ms = NOW - 15000;
    load.machine_count = 1;
    look();
    is_like("ready in about 5 s", "a machine boots");
    is_between(5 + 1, 5 + 20, "and is waited for");
    load.booting[0].launched_ms = NOW - 600000;
    look();
    is_like("ready in about 5 s", "a late one");

    load.booting_count = 0;
    load.machine_count = 3;
    look();
    is_like("as many machines as it may", "the limit");
    load.machine_count = 0;
    load.paused = PART_SCALING;
    look();
    is_like("paused scaling", "scaling is paused");
    load.paused = PART_LEASING;
    add_workers(1);
    look();
    is_like("paused leasing", "leasing is paused");
    ok(!eta.known, "and nothing is forecast");

    load.paused = 0;
    load.workers[0].quarantined = 1;
    load.quarantined = 1;
    look();
    is_like("in quarantine", "the only worker is in quarantine");

    begin();
    add_workers(1);
    wait_behind(0, 0, RATE);
    load.oldest_ms = NOW - 10000;
    look();
    is_like("No worker is there", "a worker that holds nothing while an item waits has gone");
}

static void test_all(void) {
    begin();
    add_workers(1);
    eta_of_all(&rules, &load, &eta);
    ok(!eta.known, "nothing to do: no forecast");
    add_held(0, 16, 10 * RATE, 0);
    wait_behind(99, RATE, RATE);
    eta_of_all(&rules, &load, &eta);
    is_between(250, 290, "all the work by all the rate");
    load.worker_count = 0;
    eta_of_all(&rules, &load, &eta);
    ok(!eta.known, "no worker: no forecast");

    begin();
    add_workers(2);
    lease(100 * RATE, 0);
    item.state = ITEM_WAITING;
    eta_of_all(&rules, &load, &eta);
    is_between(100, 110, "one chain is not faster on two workers");
}

/* The largest numbers that a database can have. */
static void test_extremes(void) {
    static const int64_t values[] = {0, 1, QUEUE_ITERATIONS_MAX, INT64_MAX, INT64_MIN, -1};
    enum { COUNT = sizeof values / sizeof *values };
    int wrong = 0;
    for (int i = 0; i < COUNT * COUNT * COUNT; i++) {
        int64_t a = values[i % COUNT];
        int64_t b = values[i / COUNT % COUNT];
        int64_t c = values[i / COUNT / COUNT];
        begin();
        load.workers[0] = (struct load_worker){.cores = a, .rate = b, .heard_ms = c};
        load.worker_count = 1;
        load.held[0] = (struct load_held){0, a, b, c, a};
        load.held_count = 1;
        load.leased = c;
        load.waiting = a;
        load.virtual = b;
        load.remaining = c;
        load.oldest_ms = a;
        load.machine_rate = b;
        load.boot_ms = c;
        load.booting[0].launched_ms = a;
        load.booting_count = 1;
        load.clients[0] = (struct load_client){a, b};
        load.client_count = 1;
        rules.launches = true;
        item = (struct queue_progress){.state = i % 2,
                                       .remaining = a,
                                       .rank = b,
                                       .weight = c,
                                       .granted = b,
                                       .granted_ms = c,
                                       .moved_ms = a,
                                       .deadline_ms = b,
                                       .cores = c,
                                       .rate = a,
                                       .heard_ms = b,
                                       .more = i % 3,
                                       .ahead = c,
                                       .ahead_work = (double)b,
                                       .point_count = 1,
                                       .points = {{c, a}}};
        for (int all = 0; all < 2; all++) {
            if (all)
                eta_of_all(&rules, &load, &eta);
            else
                look();
            wrong += eta.known && !(eta.low >= 0 && eta.low <= eta.likely &&
                                    eta.likely <= eta.high && isfinite(eta.high));
            wrong += !isfinite(eta.rate);
        }
    }
    is_int(wrong, 0, "whatever numbers there are, a forecast is one");
}

int main(void) {
    test_leased();
    test_measured();
    test_lately();
    test_waiting();
    test_nobody();
    test_all();
    test_extremes();
    return done_testing();
}
