/* Leases and reports of the store on PostgreSQL, at two nodes. */
#include "clock.h"
#include "stores.h"

enum { LEASE_MS = 30000 };

static struct queue_grant grant;
static struct queue_verdict verdict;

static struct queue_worker worker_of(const char *identity, const char *name) {
    struct queue_worker worker = {.cores = 1, .rate = 1000};
    snprintf(worker.identity, sizeof worker.identity, "%s", identity);
    snprintf(worker.name, sizeof worker.name, "%s", name);
    return worker;
}

static struct uuid request_of(int n) {
    struct uuid request = {{0}};
    snprintf((char *)request.bytes, ID_SIZE, "lease %d", n);
    return request;
}

/* Ends a batch. */
static enum queue_result end(int node, enum queue_result result) {
    if (postgres_commit(stores[node]))
        return result;
    postgres_rollback(stores[node]);
    return QUEUE_DOWN;
}

static enum queue_result lease_at_once(int node, const char *identity, int request, int items) {
    struct queue_lease wanted = {.request = request_of(request),
                                 .worker = worker_of(identity, "w"),
                                 .iterations = 1000000,
                                 .items = items};
    postgres_begin(stores[node]);
    return end(node, postgres_lease(stores[node], &wanted, &grant));
}

/* The same after the node has heard of the other one. */
static enum queue_result lease(int node, const char *identity, int request, int items) {
    pg_store_of(stores[node])->tick_ms = 0;
    return lease_at_once(node, identity, request, items);
}

/* No node hears of the other one for a while: what it does itself it must know. */
static void hear_nothing(int node) {
    pg_store_of(stores[node])->tick_ms = clock_steady_ms() + 3600 * 1000;
}

/* Reports an item as having so many links left. */
static enum queue_result report(int node, const char *identity, int request, struct uuid id,
                                int64_t remaining, bool release) {
    struct queue_report report = {.worker = worker_of(identity, "w"), .count = 1};
    report.items[0] = (struct queue_report_item){
        .id = id, .lease = request_of(request), .remaining = remaining, .release = release};
    snprintf((char *)report.items[0].chain, DIGEST_SIZE, "link %lld", (long long)remaining);
    postgres_begin(stores[node]);
    return end(node, postgres_report(stores[node], &report, &verdict));
}

/* Passes time at both nodes. */
static void pass(int64_t ms) {
    char sql[100];
    snprintf(sql, sizeof sql,
             "UPDATE meta SET clock_saved = clock_saved + %lld, clock_offset = clock_offset + %lld",
             (long long)ms, (long long)ms);
    run_sql(sql);
    for (int node = 0; node < 2; node++)
        pg_store_of(stores[node])->tick_ms = 0;
}

/* Runs a batch that lets leases lapse. */
static void lapse(int node) {
    postgres_begin(stores[node]);
    postgres_lapse(stores[node]);
    ok(postgres_commit(stores[node]), "a batch");
}

static int64_t state_of(struct uuid id) {
    struct queue_item item = {0};
    postgres_begin(stores[1]);
    enum queue_result result = postgres_look(stores[1], id, &queue_everybodys, &item);
    return end(1, result) == QUEUE_OK ? item.state : -1;
}

static bool leases_true(void) {
    return number_of("SELECT count(*) FROM work WHERE state = 1") ==
               number_of("SELECT sum(leased) FROM node") &&
           number_of("SELECT count(*) FROM work WHERE state = 1 AND NOT EXISTS (SELECT FROM lease "
                     "WHERE lease.id = work.lease AND work.id = ANY (items) AND due <= "
                     "work.deadline)") == 0;
}

static void test_cycle(void) {
    struct uuid one = put(0, "alice", 5);
    struct uuid two = put(0, "alice", 5);
    is_int(lease(1, "key", 1, 1), QUEUE_OK, "a lease at another node");
    ok(grant.count == 1 && is_same(grant.items[0].id, one) && grant.items[0].remaining == 4,
       "has what was enqueued first");
    is_int(lease(0, "key", 2, 5), QUEUE_OK, "a lease");
    ok(grant.count == 1 && is_same(grant.items[0].id, two), "has the rest");
    is_int(lease(0, "key", 3, 5), QUEUE_NONE, "then there is none");
    ok(postgres_leasable(stores[0]) == 0, "and nobody looks again at once");
    is_int(lease(0, "key", 2, 5), QUEUE_OK, "the same request");
    ok(grant.count == 1 && is_same(grant.items[0].id, two), "gets the same item");
    is_int(lease(0, "thief", 2, 5), QUEUE_CONFLICT, "but not another identity's");
    ok(leases_true() && counts_true(), "counts");
    is_int(report(0, "key", 1, one, 2, false), QUEUE_OK, "a checkpoint, at the first node");
    ok(verdict.taken[0], "is taken");
    is_int(report(0, "key", 1, one, 3, false), QUEUE_OK, "a step back");
    ok(!verdict.taken[0], "is not");
    is_int(report(1, "thief", 1, one, 1, false), QUEUE_OK, "nor is another identity's");
    ok(!verdict.taken[0], "report");
    is_int(report(1, "key", 1, one, 0, false), QUEUE_OK, "the value, at the other node");
    ok(verdict.taken[0], "is taken");
    is_int(state_of(one), ITEM_DONE, "and the item done");
    is_int(report(0, "key", 1, one, 0, false), QUEUE_OK, "the same again");
    ok(verdict.taken[0], "is taken, too");
    is_int(report(0, "key", 2, two, 3, true), QUEUE_OK, "an item that is given back");
    is_int(state_of(two), ITEM_WAITING, "waits");
    is_int(number_of("SELECT count(*) FROM work WHERE remaining = 3"), 1, "with its progress");
    is_int(report(0, "key", 2, two, 1, false), QUEUE_OK, "its old lease");
    ok(!verdict.taken[0], "is over");
    is_int(lease(0, "key", 4, 5), QUEUE_OK, "it is leased again");
    ok(grant.count == 1 && grant.items[0].remaining == 3, "from there on");
    is_int(report(0, "key", 4, two, 0, false), QUEUE_OK, "and done");
    ok(leases_true() && counts_true(), "counts");
}

static void test_lapse(void) {
    struct uuid id = put(0, "alice", 9);
    is_int(lease(0, "key", 10, 5), QUEUE_OK, "a lease");
    is_int(state_of(id), ITEM_LEASED, "of an item");
    pass(LEASE_MS - 2000);
    lapse(1);
    is_int(state_of(id), ITEM_LEASED, "holds until it is over");
    pass(3000);
    lapse(1);
    is_int(state_of(id), ITEM_WAITING, "then the other node lets it lapse");
    is_int(number_of("SELECT strikes FROM work"), 1, "with a strike, as nothing was computed");
    is_int(number_of("SELECT count(*) FROM lease"), 0, "and the lease's row is gone");
    is_int(report(0, "key", 10, id, 7, false), QUEUE_OK, "a late report");
    ok(verdict.taken[0], "still counts");
    is_int(state_of(id), ITEM_LEASED, "and goes on with the lease");
    ok(leases_true() && counts_true(), "counts");
    pass(LEASE_MS + 1000);
    lapse(0);
    is_int(number_of("SELECT strikes FROM work"), 1, "no strike after progress");
    is_int(lease(1, "other", 11, 5), QUEUE_OK, "it is leased to another");
    is_int(report(0, "key", 10, id, 5, false), QUEUE_OK, "then a late report");
    ok(!verdict.taken[0], "is lost");
    is_int(report(1, "other", 11, id, 0, false), QUEUE_OK, "the other one ends it");
    ok(leases_true() && counts_true(), "counts");
}

static void test_return(void) {
    struct uuid id = put(1, "alice", 9);
    is_int(lease(1, "key", 20, 5), QUEUE_OK, "a lease that cannot be delivered");
    struct queue_return back = grant.returnable;
    struct queue_return wrong = {back.lease, back.deadline_ms + 1};
    postgres_begin(stores[1]);
    is_int(end(1, postgres_return_lease(stores[1], wrong)), QUEUE_OK, "one of another time");
    is_int(state_of(id), ITEM_LEASED, "changes nothing");
    postgres_begin(stores[1]);
    is_int(end(1, postgres_return_lease(stores[1], back)), QUEUE_OK, "is taken back");
    is_int(state_of(id), ITEM_WAITING, "its item waits");
    is_int(lease(1, "key", 21, 5), QUEUE_OK, "for the next one");
    is_int(report(1, "key", 21, id, 0, false), QUEUE_OK, "who ends it");
    ok(leases_true() && counts_true(), "counts");
}

/* Items that wait before those that were leased last. */
static void test_marks(void) {
    struct uuid first = put(0, "alice", 9);
    struct uuid second = put(0, "alice", 9);
    is_int(lease(0, "key", 25, 1), QUEUE_OK, "a lease");
    is_int(lease(0, "key", 26, 1), QUEUE_OK, "and another one");
    ok(is_same(grant.items[0].id, second), "in their order");
    hear_nothing(0);
    is_int(report(0, "key", 25, first, 7, true), QUEUE_OK, "the first item is given back");
    is_int(lease_at_once(0, "key", 27, 1), QUEUE_OK, "and leased");
    ok(is_same(grant.items[0].id, first), "at once");
    struct uuid third = put(0, "bob", 2); /* its client had nothing yet: it comes before */
    is_int(lease_at_once(0, "key", 28, 1), QUEUE_OK, "an item that comes between");
    ok(is_same(grant.items[0].id, third), "too");
    is_int(report(0, "key", 27, first, 0, false), QUEUE_OK, "the first is done");
    is_int(report(0, "key", 26, second, 0, false), QUEUE_OK, "the second");
    is_int(report(0, "key", 28, third, 0, false), QUEUE_OK, "and the third");
    ok(leases_true() && counts_true(), "counts");
}

/* An item that another node's batch looks at. */
static void test_hidden(void) {
    struct uuid id = put(0, "alice", 9);
    struct queue_lease wanted = {.request = request_of(50),
                                 .worker = worker_of("other", "w"),
                                 .iterations = 1000,
                                 .items = 1};
    pg_store_of(stores[1])->tick_ms = 0;
    postgres_begin(stores[1]);
    is_int(postgres_lease(stores[1], &wanted, &grant), QUEUE_OK, "a lease under way");
    is_int(lease_at_once(0, "key", 51, 1), QUEUE_NONE, "hides its items from other nodes");
    is_int(postgres_leasable(stores[0]), 0, "which do not look for them all the time");
    postgres_rollback(stores[1]);
    is_int(lease(0, "key", 51, 1), QUEUE_OK, "but do later");
    is_int(report(0, "key", 51, id, 0, false), QUEUE_OK, "and it is done");
    ok(leases_true() && counts_true(), "counts");
}

static void test_limits(void) {
    struct uuid id = put(0, "alice", 1000000000);
    for (int i = 0; i < 3; i++)
        put(0, "alice", 9);
    confs[0].in_hand_start = 2;
    is_int(lease(0, "slow", 30, 5), QUEUE_OK, "a lease");
    is_int(grant.count, 1, "that a long item fills");
    is_int(lease(0, "slow", 31, 5), QUEUE_OK, "another one");
    is_int(grant.count, 1, "has no more than its identity may hold");
    is_int(lease(0, "slow", 32, 5), QUEUE_ENOUGH, "which is enough");
    is_int(report(0, "slow", 30, id, 500000000, false), QUEUE_OK, "more than anybody computes");
    ok(!verdict.taken[0], "is not taken");
    is_int(lease(1, "slow", 33, 5), QUEUE_QUARANTINED, "and ends in quarantine, at both nodes");
    is_int(report(0, "slow", 30, id, 999999990, false), QUEUE_QUARANTINED, "with all it has");
    struct queue_quarantine out = {.identity = "slow"};
    postgres_begin(stores[1]);
    is_int(end(1, postgres_quarantine(stores[1], &out)), QUEUE_OK, "until it is let out");
    postgres_begin(stores[1]);
    is_int(end(1, postgres_quarantine(stores[1], &out)), QUEUE_NONE, "once");
    is_int(report(0, "slow", 30, id, 999999990, false), QUEUE_OK, "then its reports");
    ok(verdict.taken[0], "are taken");
    struct queue_worker machine = worker_of("vm-1", "w");
    snprintf(machine.machine, sizeof machine.machine, "vm-1");
    struct queue_lease wanted = {
        .request = request_of(34), .worker = machine, .iterations = 1, .items = 1};
    postgres_begin(stores[0]);
    is_int(end(0, postgres_lease(stores[0], &wanted, &grant)), QUEUE_DENIED,
           "a machine that no node has");
    ok(leases_true() && counts_true(), "counts");
    confs[0].in_hand_start = 100;
}

static void test_rollback(void) {
    int64_t waiting = number_of("SELECT count(*) FROM work WHERE state = 0");
    struct queue_lease wanted = {
        .request = request_of(40), .worker = worker_of("key", "w"), .iterations = 1000, .items = 5};
    postgres_begin(stores[0]);
    is_int(postgres_lease(stores[0], &wanted, &grant), QUEUE_OK, "a lease in a batch");
    postgres_rollback(stores[0]);
    is_int(number_of("SELECT count(*) FROM work WHERE state = 0"), waiting, "that is undone");
    is_int(
        number_of("SELECT count(*) FROM lease WHERE id = '6c656173-6520-3430-0000-000000000000'"),
        0, "leaves none");
    is_int(lease(0, "key", 40, 5), QUEUE_OK, "its items are leased later");
    is_int(grant.count, waiting, "all of them");
    ok(leases_true() && counts_true(), "counts");
}

int main(void) {
    set_up_stores("leases");
    test_cycle();
    test_lapse();
    test_return();
    test_marks();
    test_hidden();
    test_limits();
    test_rollback();
    return tear_down_stores();
}
