/* How much may wait, and when refused clients should try again. */
#include "fixture.h"

static enum queue_result enqueue(struct store *store, int64_t iterations) {
    struct queue_enqueue item = new_item(iterations);
    struct uuid id;
    if (!store_begin(store))
        abort();
    enum queue_result result = store_enqueue(store, &item, &id);
    if (!store_commit(store))
        abort();
    return result;
}

/* Leases all waiting items and reports `remaining` for each; 0: done. */
static void work(struct store *store, int64_t remaining) {
    static struct queue_grant grant;
    static struct queue_report report;
    static struct queue_verdict verdict;
    struct queue_lease request = lease_of(QUEUE_LEASE_MAX);
    if (!store_begin(store) || store_lease(store, &request, &grant) != QUEUE_OK)
        abort();
    snprintf(report.worker.name, sizeof report.worker.name, "w");
    report.count = grant.count;
    for (int i = 0; i < grant.count; i++) {
        report.items[i] = (struct queue_report_item){.id = grant.items[i].id,
                                                     .lease = grant.returnable.lease,
                                                     .remaining = remaining,
                                                     .release = 1};
        memset(report.items[i].chain, 'c', DIGEST_SIZE);
    }
    if (store_report(store, &report, &verdict) != QUEUE_OK || !store_commit(store))
        abort();
}

static void pull(struct store *store, int count) {
    static struct queue_batch batch;
    struct queue_pull request = {.top = count};
    if (!store_begin(store) || store_pull(store, &request, &batch) != QUEUE_OK ||
        !store_commit(store) || batch.count != count)
        abort();
}

static void pass(int seconds) {
    clock_offsets[1] += seconds * INT64_C(1000);
}

static void test_work(void) {
    conf.remaining_max = 10000;
    struct store *store = open_store();
    is_int(enqueue(store, 6001), QUEUE_OK, "6,000 iterations remain");
    is_int(enqueue(store, 4002), QUEUE_FULL, "4,001 more are too many");
    is_int(store_retry_seconds(store), 60, "nothing is computed: the longest time");
    is_int(enqueue(store, 4001), QUEUE_OK, "4,000 are not");
    is_int(enqueue(store, 2), QUEUE_FULL, "one more is");
    is_int(enqueue(store, 1), QUEUE_OK, "an item that is done at once needs no work");
    pass(120);
    work(store, 3000); /* of 10,000: 4,000 done */
    pass(2);
    is_int(enqueue(store, 5001), QUEUE_FULL, "5,000 beside 6,000 are too many by 1,000");
    is_int(store_retry_seconds(store), 3, "at 4,000 in ten seconds that is 2.5 s");
    pass(20);
    is_int(enqueue(store, 5001), QUEUE_FULL, "later, too");
    is_int(store_retry_seconds(store), 15, "at 4,000 in the last minute: 15 s");
    pass(60);
    is_int(enqueue(store, 5001), QUEUE_FULL, "and when the last minute has had nothing");
    is_int(store_retry_seconds(store), 60, "the longest time again");
    is_int(enqueue(store, 20000), QUEUE_FULL, "what can never fit does not");
    ok(counts_true(store), "the counts are true");
    store_close(store);
    conf.remaining_max = INT64_C(1) << 60;
}

static void test_items(void) {
    struct store *store = open_store();
    conf.items_max = 10;
    while (enqueue(store, 1) == QUEUE_OK)
        continue;
    is_int(sqlite_of(store)->ledger.counts.items[ITEM_WAITING] +
               sqlite_of(store)->ledger.counts.items[ITEM_DONE],
           10, "ten items");
    is_int(store_retry_seconds(store), 60, "nobody pulls: the longest time");
    pull(store, 2);
    pass(20);
    is_int(enqueue(store, 1), QUEUE_OK, "two are pulled: one more");
    is_int(enqueue(store, 1), QUEUE_OK, "and another");
    is_int(enqueue(store, 1), QUEUE_FULL, "are taken, and no third");
    is_int(store_retry_seconds(store), 30, "two pulled in a minute: 30 s");
    store_close(store);
}

int main(void) {
    set_up();
    test_work();
    test_items();
    return done_testing();
}
