/* The rows of leases: which items they list, when they are looked at, and when they go. */
#include "fixture.h"

static struct store *store;
static struct queue_grant grant;
static struct queue_verdict verdict;

static void enqueue(int items) {
    struct uuid id;
    for (int i = 0; i < items; i++) {
        struct queue_enqueue item = new_item(10);
        store_enqueue(store, &item, &id);
    }
}

/* Reports an item of the grant with so many links to go. */
static bool report(int n, int64_t remaining) {
    static struct queue_report report;
    report.worker = lease_of(1).worker;
    report.count = 1;
    report.items[0] = (struct queue_report_item){
        .id = grant.items[n].id, .lease = grant.returnable.lease, .remaining = remaining};
    memset(report.items[0].chain, 'r', DIGEST_SIZE);
    return store_report(store, &report, &verdict) == QUEUE_OK && verdict.taken[0];
}

/* Begins a batch that much later, with what lapses then. */
static void later(int seconds) {
    store_commit(store);
    clock_offsets[1] += seconds * INT64_C(1000);
    store_begin(store);
    store_lapse(store);
}

static int64_t leased(void) {
    return sqlite_of(store)->ledger.counts.items[ITEM_LEASED];
}

static int64_t rows(void) {
    return number(store, "SELECT count(*) FROM lease");
}

/* Begins with so many items, all of them leased by one request. */
static struct queue_lease begin(int items) {
    struct queue_lease request = lease_of(items);
    remove_database("db");
    store = open_store();
    store_begin(store);
    enqueue(items);
    store_lease(store, &request, &grant);
    return request;
}

static void end(void) {
    store_commit(store);
    ok(counts_true(store), "the counts and the leases are true");
    store_close(store);
}

static void renewed(void) {
    begin(3);
    later(40);
    report(1, 5);
    later(30);
    is_int(leased(), 1, "an item that was reported lapses later than the others of its lease");
    is_int(number(store, "SELECT json_array_length(items) FROM lease"), 1,
           "their lease lists it alone");
    later(40);
    is_int(leased(), 0, "then it lapses, too");
    is_int(rows(), 0, "and so the lease is forgotten");
    end();
}

static void late(void) {
    begin(2);
    later(70);
    is_int(rows(), 0, "a lease has lapsed");
    ok(report(0, 5), "a late report is taken");
    is_int(leased(), 1, "its item is leased again");
    later(70);
    is_int(leased(), 0, "and lapses again");
    end();
}

static void again(void) {
    struct queue_lease request = begin(2);
    report(0, 0);
    later(70);
    enqueue(2);
    request.items = 3;
    store_lease(store, &request, &grant);
    is_int(grant.count, 3, "a request whose lease lapsed gets items again");
    store_lease(store, &request, &grant);
    is_int(grant.count, 3, "and the same ones when it is repeated, each once");
    end();
}

static void mixed(void) {
    struct queue_lease request = begin(4);
    later(40);
    report(0, 5);
    later(30);
    is_int(leased(), 1, "three of four have lapsed");
    struct queue_lease other = lease_of(1);
    store_lease(store, &other, &grant);
    store_lease(store, &request, &grant);
    is_int(grant.count, 1, "the request repeated gets the one that is held");
    report(0, 0);
    store_lease(store, &request, &grant);
    is_int(grant.count, 2, "when that is done, the others");
    is_int(number(store, "SELECT max(items) FROM (SELECT count(*) AS items FROM lease,"
                         " json_each(lease.items) AS held GROUP BY lease.seq, held.value)"),
           1, "its lease lists none of them twice");
    end();
}

static void cancel(int n) {
    struct queue_cancel cancel = {.id = grant.items[n].id, .whose = {.all = true}};
    store_cancel(store, &cancel);
}

/* A request whose id comes again and again, each time when its items are gone. */
static void reused(void) {
    struct queue_lease request = begin(2);
    for (int i = 0; i < 3; i++) {
        cancel(0);
        cancel(1);
        enqueue(2);
        store_lease(store, &request, &grant);
    }
    is_int(grant.count, 2, "a request that is used again gets items again");
    is_int(number(store, "SELECT max(json_array_length(items)) FROM lease"), 2,
           "its lease lists these only");
    end();
}

static void shorter(void) {
    begin(2);
    conf.lease_seconds = 10;
    report(0, 5);
    later(15);
    is_int(leased(), 1, "with shorter leases an item lapses before its lease was to be looked at");
    conf.lease_seconds = 60;
    end();
}

static void all_done(void) {
    static struct queue_grant held;
    begin(3);
    enqueue(1);
    struct queue_lease other = lease_of(1);
    store_lease(store, &other, &held);
    report(0, 0);
    report(1, 0);
    is_int(rows(), 2, "a lease is there while it holds something");
    report(2, 0);
    is_int(rows(), 1, "it goes with the last of its items");
    ok(!report(2, 5) && rows() == 1, "a report that steps back does not bring it back");
    end();
}

static void returned(void) {
    begin(2);
    report(0, 0);
    store_return_lease(store, grant.returnable);
    is_int(leased() + rows(), 0, "a lease that is returned goes");
    end();
}

/* Items of a lease that lapse, one after the other, and are reported late in one report. */
static void late_together(void) {
    static struct queue_report both;
    begin(2);
    later(40);
    report(0, 5);
    later(30);
    both.worker = lease_of(1).worker;
    both.count = 2;
    for (int n = 0; n < both.count; n++) {
        both.items[n] = (struct queue_report_item){
            .id = grant.items[n].id, .lease = grant.returnable.lease, .remaining = 4 - 4 * n};
        memset(both.items[n].chain, 'b', DIGEST_SIZE);
    }
    store_report(store, &both, &verdict);
    is_int(leased(), 1, "one of two is done, which had lapsed");
    is_int(rows(), 1, "their lease is there for the other");
    later(70);
    is_int(leased() + rows(), 0, "until that lapses");
    end();
}

/* A damaged database: nothing lapses, but the writer does not look for it without end. */
static void lost(void) {
    begin(1);
    sqlite3_exec(sqlite_of(store)->database, "DELETE FROM lease", NULL, NULL, NULL);
    later(70);
    is_int(store_next_lapse(store), INT64_MAX,
           "without a row of a lease there is nothing to wait for");
    store_rollback(store);
    store_close(store);
}

/* The items of a report in another order than their rows. */
static void backwards(void) {
    static struct queue_report all;
    begin(5);
    all.worker = lease_of(1).worker;
    all.count = 5;
    for (int i = 0; i < all.count; i++) {
        int n = i * 3 % all.count;
        all.items[i] = (struct queue_report_item){
            .id = grant.items[n].id, .lease = grant.returnable.lease, .remaining = i == 2 ? 4 : 0};
        memset(all.items[i].chain, 'a' + n, DIGEST_SIZE);
    }
    store_report(store, &all, &verdict);
    is_int(number(store, "SELECT count(*) FROM item WHERE hex(substr(chain, 1, 1)) ="
                         " printf('%02X', 96 + seq)"),
           5, "each item gets its own chain");
    is_int(leased(), 1, "all but one are done");
    end();
}

int main(void) {
    set_up();
    renewed();
    late();
    again();
    mixed();
    reused();
    shorter();
    all_done();
    returned();
    late_together();
    lost();
    backwards();
    return done_testing();
}
