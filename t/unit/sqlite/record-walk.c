/* Records of random batches of every kind: the copy stays equal. */
#include "follow.h"

enum { BATCHES = 350, OPERATIONS = 12, KEYS = 40, TAGS = 30 };

static struct store *store;
static struct follower follower;
static struct queue_grant grants[4];
static struct queue_batch batch;
static uint8_t tags[TAGS][PULL_TAG_SIZE]; /* of pulls that were opened; at first of none */
static struct uuid loans[8];
static int64_t nonce;
static int attempts; /* that were not the first ones */

static int draw(int limit) {
    return (int)(random() % limit);
}

static struct queue_worker any_worker(void) {
    struct queue_worker worker = {.cores = 1 + draw(2), .rate = draw(3)};
    snprintf(worker.name, sizeof worker.name, "w%d", draw(5));
    snprintf(worker.machine, sizeof worker.machine, "%s", draw(2) ? "m1" : "");
    return worker;
}

static void enqueues(void) {
    struct queue_enqueue item = new_item(1 + draw(4));
    static struct uuid last;
    struct uuid id;
    if (draw(3) == 0)
        snprintf(item.key, sizeof item.key, "key %d", draw(KEYS));
    if (draw(10) == 0)
        item.id = last; /* is refused, unless its key is known */
    if (store_enqueue(store, &item, &id) == QUEUE_OK)
        last = id;
}

static void leases(void) {
    struct queue_grant *grant = &grants[draw(4)];
    struct queue_lease request = {.items = 1 + draw(6), .iterations = INT64_MAX};
    request.request = draw(4) == 0 ? grant->returnable.lease : id_new(0);
    request.worker = any_worker();
    if (draw(8) == 0)
        store_return_lease(store, grant->returnable);
    else
        store_lease(store, &request, grant);
}

static void reports(void) {
    static struct queue_report report;
    static struct queue_verdict verdict;
    report.worker = any_worker();
    report.count = 1 + draw(6);
    for (int i = 0; i < report.count; i++) {
        const struct queue_grant *grant = &grants[draw(4)];
        int chosen = grant->count > 0 ? draw(grant->count) : 0;
        report.items[i] = (struct queue_report_item){.id = grant->items[chosen].id,
                                                     .lease = grant->returnable.lease,
                                                     .remaining = draw(4),
                                                     .release = draw(5) == 0};
        memset(report.items[i].chain, 'd', DIGEST_SIZE);
    }
    store_report(store, &report, &verdict);
}

static void cancels(void) {
    const struct queue_grant *grant = &grants[draw(4)];
    if (grant->count > 0)
        cancel_item(store, grant->items[draw(grant->count)].id);
}

static void pulls(void) {
    struct queue_pull pull = {.top = 1 + draw(4), .oldest = draw(2), .reach = draw(3), .peer = 2};
    if (draw(2))
        snprintf(pull.key, sizeof pull.key, "pull %d", draw(KEYS));
    if (store_pull(store, &pull, &batch) == QUEUE_OK && batch.share != PULL_WHOLE)
        memcpy(tags[draw(TAGS)], batch.tag, PULL_TAG_SIZE);
}

static void closes(void) {
    struct queue_close close = {.rest = draw(3), .settled = draw(3) == 0};
    memcpy(close.tag, tags[draw(TAGS)], PULL_TAG_SIZE);
    store_close_pull(store, &close);
}

/* The peer's pulls. */
static void reserves(void) {
    char sql[100];
    struct queue_reserve reserve = {
        .node = 2, .identity = {.epoch = 1 + draw(3)}, .top = 1 + draw(3), .oldest = draw(2)};
    struct queue_settle settle = {
        .node = 2, .epoch = 1 + draw(3), .known = (uint8_t)draw(2), .fate = {.fate = draw(3)}};
    reserve.tag[0] = settle.tag[0] = (uint8_t)(1 + draw(20));
    snprintf(sql, sizeof sql, "SELECT count FROM reservation WHERE hex(substr(tag, 1, 1)) = '%02X'",
             settle.tag[0]);
    int64_t count = number(store, sql);
    if (count > 0 && draw(4) > 0)
        settle.fate.rest = (int32_t)count;
    if (draw(2))
        store_reserve_items(store, &reserve, &batch);
    else
        store_settle(store, &settle);
}

static void changes(void) {
    struct queue_machine_update update = {.state = draw(4), .launched_ago_ms = draw(100)};
    struct queue_worker worker = any_worker();
    if (draw(3))
        snprintf(update.name, sizeof update.name, "m%d", draw(6));
    if (draw(2))
        snprintf(update.why, sizeof update.why, "why %d", draw(10));
    if (draw(4) == 0)
        store_retire(store, &worker);
    else
        store_update_machine(store, &update);
}

static void talks(void) {
    struct queue_hello hello = {.node = 2, .nonce = nonce, .identity = {.epoch = 1 + draw(2)}};
    static struct queue_hello_answer answer;
    struct queue_loan_step step = {.id = loans[draw(8)], .node = 2, .step = draw(3)};
    struct queue_heard heard = {.sent = {.node = 2, .count = 1, .loans = {step.id}},
                                .clock_ms = store_now_ms(sqlite_of(store)) + 1,
                                .answer = {.count = 1, .ttl_ms = {draw(2) * 5000}}};
    struct queue_acknowledged acknowledged = {.batch = store_last_batch(store) - draw(2),
                                              .state = COPY_FOLLOWING};
    hello.count = draw(4);
    for (int i = 0; i < hello.count; i++)
        hello.loans[i] = loans[4 + i];
    switch (draw(4)) {
    case 0:
        if (store_hello(store, &hello, &answer) == QUEUE_OK)
            nonce = answer.nonce;
        break;
    case 1:
        store_loan(store, &step);
        break;
    case 2:
        store_heard(store, &heard);
        break;
    default:
        store_acknowledge(store, &acknowledged);
        break;
    }
}

static void time_passes(void) {
    static const int64_t steps[] = {1, 10, 500, 30000, 70000};
    clock_offsets[1] += draw(200) == 0 ? INT64_C(8) * 24 * 3600 * 1000 : steps[draw(5)];
}

static void operation(void) {
    static void (*const all[])(void) = {enqueues, enqueues, enqueues, leases, leases,
                                        reports,  reports,  cancels,  pulls,  pulls,
                                        closes,   reserves, changes,  talks};
    all[draw(sizeof all / sizeof *all)]();
}

/* One batch, with what follows from a seed. False when it could not be committed. */
static bool one_attempt(unsigned seed) {
    srandom(seed);
    if (!store_begin(store))
        return false;
    store_lapse(store);
    store_keep_history(store);
    for (int i = draw(OPERATIONS); i > 0; i--)
        operation();
    store_remove_old(store);
    store_give_up_pulls(store);
    if (store_state(store) == STORE_AGAIN || (store_state(store) == STORE_GOOD && draw(8) > 0))
        return store_commit(store);
    store_rollback(store);
    return true;
}

/* One batch; another attempt of it if one of its items cannot be stored. */
static bool one_batch(void) {
    unsigned seed = (unsigned)random();
    if (one_attempt(seed))
        return true;
    if (store_state(store) != STORE_AGAIN)
        return false;
    attempts++;
    store_rollback(store);
    return one_attempt(seed);
}

static void walk(unsigned seed) {
    bool equal = true;
    bool good = true;
    srandom(seed);
    for (int i = 0; i < BATCHES && equal && good; i++) {
        time_passes();
        good = one_batch();
        if (draw(40) == 0)
            good = store_note_incomplete(store) && good;
        equal = follow(&follower);
        good = good && counts_true(store);
    }
    ok(equal, "seed %u: after each of %d batches both are equal", seed, BATCHES);
    ok(good, "and the counts are those of the rows");
}

int main(void) {
    set_up();
    conf.node = 7;
    conf.has_peer = true;
    conf.peer.node = 2;
    conf.copying = COPY_SYNC;
    conf.workers_max = 5;
    conf.workers_min = 1;
    conf.loan_seconds = 20;
    conf.wait_launch_seconds = 60;
    log_set_level(LOG_LEVEL_ERROR);
    for (size_t i = 0; i < sizeof loans / sizeof *loans; i++)
        loans[i] = id_new(2);
    store = open_store();
    sqlite3_exec(sqlite_of(store)->database, "PRAGMA synchronous = OFF", NULL, NULL, NULL);
    follow_begin(&follower, store);
    follower.second = follow_copy(store, "second");
    for (unsigned seed = 1; seed <= 2; seed++)
        walk(seed);
    is_int(number(store, "SELECT count(*) > 0 FROM item"), 1, "there are items");
    ok(attempts > 0, "batches were tried again");
    printf("# %lld batches, %lld items, %lld pulls, %lld reservations, %lld loans\n",
           (long long)store_last_batch(store),
           (long long)number(store, "SELECT max(seq) FROM item"),
           (long long)number(store, "SELECT count(*) FROM pull"),
           (long long)number(store, "SELECT count(*) FROM reservation"),
           (long long)number(store, "SELECT count(*) FROM loan"));
    follow_end(&follower);
    store_close(store);
    return done_testing();
}
