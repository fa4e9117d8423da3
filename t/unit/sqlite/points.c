/* Points: what is kept of the way through a long chain. */
#include "fixture.h"

enum { LINKS = 1280001 };

static struct store *store;
static struct queue_grant grant;

/* Stores an item, and leases it to this worker. */
static void start(const char *worker) {
    struct queue_enqueue item = new_item(LINKS);
    struct queue_lease request = lease_of(1);
    struct uuid id;
    snprintf(request.worker.name, sizeof request.worker.name, "%s", worker);
    store_begin(store);
    store_enqueue(store, &item, &id);
    store_commit(store);
    clock_offsets[1] += 1000;
    store_begin(store);
    store_lease(store, &request, &grant);
    store_commit(store);
}

static void lease_to(const char *worker) {
    struct queue_lease request = lease_of(1);
    snprintf(request.worker.name, sizeof request.worker.name, "%s", worker);
    store_begin(store);
    store_lease(store, &request, &grant);
    store_commit(store);
}

/* Reports the leased item, a second later. */
static void report(const char *worker, int64_t remaining, int release) {
    static struct queue_report call;
    struct queue_verdict verdict;
    call.worker.cores = 1;
    snprintf(call.worker.name, sizeof call.worker.name, "%s", worker);
    call.count = 1;
    call.items[0] = (struct queue_report_item){.id = grant.items[0].id,
                                               .lease = grant.returnable.lease,
                                               .remaining = remaining,
                                               .release = release};
    memset(call.items[0].chain, (int)(remaining % 251), DIGEST_SIZE);
    clock_offsets[1] += 1000;
    store_begin(store);
    store_report(store, &call, &verdict);
    store_commit(store);
    if (!verdict.taken[0])
        ok(false, "%d links left are taken", (int)remaining);
}

static int64_t points(const char *what) {
    char sql[300];
    snprintf(sql, sizeof sql,
             "SELECT %s FROM point JOIN item ON item.seq = point.item WHERE item.seq ="
             " (SELECT max(seq) FROM item)",
             what);
    return number(store, sql);
}

static void even(void) {
    start("w");
    for (int64_t remaining = LINKS - 3000; remaining > 0; remaining -= 2999)
        report("w", remaining, 0);
    int64_t kept = points("count(*)");
    ok(kept > 100 && kept < 128, "of 427 reports on one item's way %d are kept", (int)kept);
    is_int(number(store,
                  "SELECT max(gap) < 13001 FROM (SELECT lag(remaining, 1, 1280001) OVER (ORDER BY"
                  " remaining DESC) - remaining AS gap FROM point)"),
           1, "evenly over its chain");
    is_int(points("sum(hex(point.chain) = replace(hex(zeroblob(64)), '00', printf('%02X', "
                  "point.remaining % 251)))"),
           kept, "each with its link");
    is_int(points("max(at) - min(at)") / 100000, 4, "and its time");
    report("w", 0, 0);
    is_int(points("count(*)"), kept, "the value is in the item");
}

static void short_ones(void) {
    start("w");
    report("w", 0, 0);
    is_int(points("count(*)"), 0, "an item that is done at once has none");
}

static void handed_over(void) {
    start("first");
    report("first", LINKS - 100, 1);
    is_int(points("point.remaining"), LINKS - 100, "what is given back is kept, however little");
    lease_to("second");
    report("second", LINKS - 200, 0);
    is_int(points("count(*)"), 1, "too little on the way is not");
    clock_offsets[1] += 61 * 1000;
    store_begin(store);
    store_lapse(store);
    store_commit(store);
    is_int(points("count(*)"), 2, "but when its lease lapses");
    is_int(number(store, "SELECT count(*) FROM point JOIN worker ON worker.seq = point.worker"
                         " WHERE name = 'second' AND remaining = 1279801"),
           1, "as its worker's");
    lease_to("third");
    report("third", 0, 0);
}

/* A worker reports, and gives the item back later without having come further. */
static void given_back_later(void) {
    start("first");
    report("first", LINKS - 100, 0);
    is_int(points("count(*)"), 0, "too little on the way is not kept");
    report("first", LINKS - 100, 1);
    is_int(points("point.remaining"), LINKS - 100, "what is given back is, also as it was before");
    is_int(points("point.at = item.moved AND point.at < item.since"), 1,
           "with the time at which it was reported first");
    lease_to("second");
    report("second", LINKS - 100, 1);
    is_int(points("count(*)"), 1, "who comes no further leaves nothing");
    is_int(number(store, "SELECT name = 'first' FROM point JOIN worker ON worker.seq = worker"
                         " ORDER BY point.seq DESC LIMIT 1"),
           1, "and takes nothing from who did");
    lease_to("third");
    report("third", 0, 0);
}

/* A worker that gives an item back again and again gets it no more than its points. */
static void many_hands(void) {
    int64_t remaining = LINKS;
    start("w");
    for (int i = 0; i < 400; i++) {
        report("w", remaining -= 10, 1);
        lease_to("w");
    }
    int64_t kept = points("count(*)");
    ok(kept > 120 && kept < 130, "of 400 times given back %d are kept", (int)kept);
    while (remaining > 2900)
        report("w", remaining -= 2900, 0);
    kept = points("count(*)");
    ok(kept > 220 && kept <= 256, "there is room for those on the way: %d", (int)kept);
    report("w", 0, 0);
}

static void no_room(void) {
    int64_t before = number(store, "SELECT count(*) FROM point");
    start("w");
    sqlite_of(store)->reserve.low = true;
    sqlite_of(store)->reserve.retry_ms = INT64_MAX;
    report("w", LINKS / 2, 0);
    int64_t after = number(store, "SELECT count(*) FROM point");
    is_int(number(store, "SELECT remaining FROM item ORDER BY seq DESC"), LINKS / 2,
           "a report is taken on a full disk");
    ok(before > 0 && after == 0, "points make room: %d were kept, now %d", (int)before, (int)after);
    sqlite_of(store)->reserve.low = false;
    report("w", LINKS / 4, 0);
    is_int(points("count(*)"), 1, "with room they are kept again");
    report("w", 0, 0);
}

static void bounded(void) {
    start("w");
    sqlite3_exec(sqlite_of(store)->database,
                 "INSERT INTO point (seq, item, remaining, chain, worker, at)"
                 " SELECT 5000000, 1, 77, zeroblob(64), 1, 1",
                 NULL, NULL, NULL);
    report("w", LINKS / 2, 0);
    is_int(number(store, "SELECT min(seq) > 4000000 FROM point"), 1, "the last million is kept");
    report("w", 0, 0);
}

/* Items that are removed take their points along, some in each batch. */
static void leave(void) {
    static struct queue_batch batch;
    struct queue_pull pull = {.top = 100};
    store_begin(store);
    store_pull(store, &pull, &batch);
    store_commit(store);
    sqlite3_exec(sqlite_of(store)->database,
                 "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 1000)"
                 " INSERT OR IGNORE INTO point (item, remaining, chain, worker, at)"
                 " SELECT item.seq, n, zeroblob(64), 1, 1 FROM item, n WHERE state = 3",
                 NULL, NULL, NULL);
    int64_t before = number(store, "SELECT count(*) FROM point");
    clock_offsets[1] += INT64_C(8) * DAY_MS;
    int batches = 0;
    int64_t most = 0;
    for (int64_t left = before, last; left > 0 && batches < 100; batches++) {
        last = left;
        store_begin(store);
        store_remove_old(store);
        store_commit(store);
        left = number(store, "SELECT count(*) FROM point");
        most = last - left > most ? last - left : most;
        clock_offsets[1] += 1000;
    }
    ok(before > 5000 && most > 0 && most <= 2000, "of %d points at most %d leave with a batch",
       (int)before, (int)most);
    is_int(number(store, "SELECT count(*) FROM item WHERE state = 3"), 0, "and then their items");
    is_int(number(store, "SELECT count(*) FROM point"), 0, "none stays without one");
}

int main(void) {
    set_up();
    store = open_store();
    even();
    short_ones();
    handed_over();
    given_back_later();
    many_hands();
    no_room();
    bounded();
    leave();
    ok(counts_true(store), "the counts are true");
    store_close(store);
    return done_testing();
}
