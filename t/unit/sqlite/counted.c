/* What the writer counts: what a batch has done, once it is committed, and nothing of one that was
 * rolled back. */

#include "fcgi/metrics/metrics.h"

#include "fixture.h"

static struct queue_grant grant;
static char link_byte = 'c'; /* what reports have as their chain */

static void begin(struct store *store) {
    if (!store_begin(store))
        abort();
}

static void commit(struct store *store) {
    if (!store_commit(store))
        abort();
}

static struct uuid enqueue(struct store *store, int64_t iterations) {
    struct queue_enqueue item = new_item(iterations);
    struct uuid id;
    if (store_enqueue(store, &item, &id) != QUEUE_OK)
        abort();
    return id;
}

static void lease(struct store *store) {
    struct queue_lease request = lease_of(QUEUE_LEASE_MAX);
    if (store_lease(store, &request, &grant) != QUEUE_OK)
        abort();
}

/* Reports the first item of the grant with that rest of its chain. */
static void report(struct store *store, int64_t remaining) {
    static struct queue_report report;
    static struct queue_verdict verdict;
    snprintf(report.worker.name, sizeof report.worker.name, "w");
    report.count = 1;
    report.items[0] = (struct queue_report_item){
        .id = grant.items[0].id, .lease = grant.returnable.lease, .remaining = remaining};
    memset(report.items[0].chain, link_byte, DIGEST_SIZE);
    if (store_report(store, &report, &verdict) != QUEUE_OK)
        abort();
}

static int64_t waited(int bucket) {
    struct metrics_histogram waits = {.sum = 0};
    metrics_item_waits(&waits);
    return waits.counts[bucket];
}

static int64_t commits(void) {
    struct metrics_histogram sum = {.sum = 0};
    int64_t count = 0;
    metrics_commits(&sum);
    for (int i = 0; i < METRICS_BUCKETS; i++)
        count += sum.counts[i];
    return count;
}

static void test_items(struct store *store) {
    int64_t before = commits();
    begin(store);
    enqueue(store, 1);
    enqueue(store, 101);
    is_int(metrics_counter(METRICS_ENQUEUED), 0, "nothing before the commit");
    store_rollback(store);
    begin(store);
    commit(store);
    is_int(metrics_counter(METRICS_ENQUEUED), 0, "nor of a batch that was rolled back");
    is_int(commits(), before, "without a change nothing is made durable");

    begin(store);
    enqueue(store, 1);
    struct uuid cancelled = enqueue(store, 7);
    enqueue(store, 101);
    commit(store);
    is_int(metrics_counter(METRICS_ENQUEUED), 3, "three are enqueued,");
    is_int(metrics_counter(METRICS_DONE), 1, "one of them done at once");
    is_int(commits(), before + 1, "in one commit");
    begin(store);
    struct queue_cancel cancel = {.id = cancelled, .whose = queue_everybodys};
    is_int(store_cancel(store, &cancel), QUEUE_OK, "one is cancelled");
    commit(store);
    is_int(metrics_counter(METRICS_CANCELLED), 1, "and counted");
}

static void test_leases(struct store *store) {
    clock_offsets[1] += 12000;
    begin(store);
    lease(store);
    store_rollback(store);
    is_int(waited(6), 0, "a lease that was rolled back was none");
    begin(store);
    lease(store);
    commit(store);
    is_int(waited(6), 1, "an item has waited for 12 s");
    begin(store);
    report(store, 60);
    commit(store);
    is_int(metrics_counter(METRICS_ITERATIONS), 40, "iterations that are reported");
    begin(store);
    link_byte = 'd';
    report(store, 60);
    commit(store);
    is_int(metrics_counter(METRICS_FAULTS), 1, "another chain for the same link is a fault");
    begin(store);
    store_lapse(store);
    commit(store);
    is_int(metrics_counter(METRICS_LAPSED), 0, "the lease holds");
    clock_offsets[1] += 61000;
    begin(store);
    store_lapse(store);
    commit(store);
    is_int(metrics_counter(METRICS_LAPSED), 1, "until it lapses");
    is_int(metrics_counter(METRICS_ITERATIONS), 40, "none of it is counted twice");
}

int main(void) {
    set_up();
    log_set_level(LOG_LEVEL_ERROR);
    if (!metrics_open(1, 0))
        abort();
    metrics_use(0, 0);
    struct store *store = open_store();
    test_items(store);
    test_leases(store);
    store_close(store);
    return done_testing();
}
