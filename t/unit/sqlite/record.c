/* Records of batches: applied to a copy of the database as it was before, a record makes the copy
 * equal. Each kind of change on its own; record-walk.c mixes them. */
#include "follow.h"

static struct store *store;
static struct follower follower;
static struct queue_grant grant;
static struct queue_batch batch;
static struct queue_report report;
static struct queue_verdict verdict;

/* Ends the batch under way and has the copy follow. */
static void ends(const char *what) {
    bool good = store_commit(store);
    ok(good && follow(&follower) && counts_true(store), "%s", what);
}

static struct uuid put(int64_t iterations, const char *key, enum queue_result wanted) {
    struct queue_enqueue item = new_item(iterations);
    struct uuid id;
    snprintf(item.key, sizeof item.key, "%s", key);
    if (store_enqueue(store, &item, &id) != wanted)
        abort();
    return id;
}

static void put_many(int count, int64_t iterations) {
    for (int i = 0; i < count; i++)
        put(iterations, "", QUEUE_OK);
}

static void enqueues(void) {
    store_begin(store);
    put(10, "", QUEUE_OK);
    put(10, "key", QUEUE_OK);
    put(1, "", QUEUE_OK);
    put(1, "done at once", QUEUE_OK);
    ends("items with and without keys, of one iteration and of more");
    int64_t before = store_last_batch(store);
    store_begin(store);
    put(10, "key", QUEUE_OK);
    put(11, "key", QUEUE_CONFLICT);
    ends("a key again");
    is_int(store_last_batch(store), before, "which is no batch");
    store_begin(store);
    put(10, "key", QUEUE_OK);
    put(10, "other", QUEUE_OK);
    ends("a key again beside a new one");
}

static void lease_again(struct queue_lease *request) {
    if (store_lease(store, request, &grant) != QUEUE_OK)
        abort();
}

static void leases(void) {
    struct queue_lease request = lease_of(2);
    struct queue_lease other = lease_of(5);
    store_begin(store);
    put_many(8, 100);
    ends("more items");
    store_begin(store);
    lease_again(&request);
    ends("a lease");
    store_begin(store);
    lease_again(&request);
    ends("the same again");
    store_begin(store);
    lease_again(&other);
    lease_again(&other);
    ends("a lease and the same again in one batch: a worker that is as it was");
    store_begin(store);
    store_return_lease(store, grant.returnable);
    ends("a lease goes back");
    store_begin(store);
    lease_again(&other);
    store_return_lease(store, grant.returnable);
    ends("and again, in the batch in which it was given");
}

/* Adds an item of the grant to the report. */
static void add(int item, int64_t remaining, bool release) {
    struct queue_report_item *entry = &report.items[report.count++];
    *entry = (struct queue_report_item){.id = grant.items[item].id,
                                        .lease = grant.returnable.lease,
                                        .remaining = remaining,
                                        .release = release};
    memset(entry->chain, 'a' + (int)(remaining % 20), DIGEST_SIZE);
    if (remaining == grant.items[item].remaining)
        memcpy(entry->chain, grant.items[item].chain, DIGEST_SIZE);
}

static void send_report(void) {
    if (store_report(store, &report, &verdict) != QUEUE_OK)
        abort();
}

static void reports(void) {
    struct queue_lease request = lease_of(8);
    store_begin(store);
    put_many(8, 100);
    lease_again(&request);
    ends("items and their lease in one batch");
    report.worker = request.worker;
    report.count = 0;
    add(0, 8, false);
    add(1, grant.items[1].remaining, false);
    add(2, 0, false);
    add(3, 20, true);
    add(4, grant.items[4].remaining, true);
    add(5, 0, false);
    report.items[5].lease = id_new(0);
    add(6, grant.items[6].remaining, false);
    report.items[6].chain[0] ^= 1;
    report.items[report.count++] = (struct queue_report_item){.id = id_new(7)};
    add(0, 5, false); /* the same item twice */
    clock_offsets[1] += 1000;
    store_begin(store);
    send_report();
    ends("checkpoints, a renewal, a result, releases, what is lost, wrong or unknown");
    static const uint8_t taken[] = {1, 1, 1, 1, 1, 0, 0, 0, 1};
    ok(memcmp(verdict.taken, taken, sizeof taken) == 0, "each was what it was meant to be");
    report.count = 0;
    add(1, grant.items[1].remaining, false);
    store_begin(store);
    send_report();
    send_report();
    ends("one renewal twice in a batch: rows that are as they were");
    report.count = 0;
    add(2, 0, false);
    store_begin(store);
    send_report();
    ends("a result again");
}

static void time_passes(void) {
    struct queue_lease request = lease_of(3);
    store_begin(store);
    put_many(3, 5);
    struct uuid cancelled = put(5, "", QUEUE_OK);
    lease_again(&request);
    cancel_item(store, cancelled);
    cancel_item(store, grant.items[1].id);
    cancel_item(store, id_new(7));
    ends("items are cancelled, waiting and leased");
    clock_offsets[1] += 61000;
    store_begin(store);
    store_lapse(store);
    ends("leases lapse");
    clock_offsets[1] += INT64_C(4) * 24 * 3600 * 1000;
    store_begin(store);
    store_remove_old(store);
    ends("what was cancelled long ago is removed");
    is_int(number(store, "SELECT count(*) FROM item WHERE state = 4"), 0, "all of it");
}

static enum queue_result pull(int top, const char *key, int reach) {
    struct queue_pull wanted = {.top = top, .reach = reach, .peer = 2, .oldest = top % 2};
    snprintf(wanted.key, sizeof wanted.key, "%s", key);
    return store_pull(store, &wanted, &batch);
}

static void pulls(void) {
    store_begin(store);
    put_many(20, 1);
    pull(3, "", PULL_HERE);
    ends("a pull");
    store_begin(store);
    pull(3, "a", PULL_HERE);
    pull(3, "a", PULL_HERE);
    pull(4, "a", PULL_HERE);
    pull(4, "b", PULL_HERE);
    ends("pulls with keys, again, and with another top");
    store_begin(store);
    pull(100, "spread", PULL_OVER_BOTH);
    ends("one over both nodes is opened");
    struct queue_close close = {.rest = 2};
    memcpy(close.tag, batch.tag, PULL_TAG_SIZE);
    store_begin(store);
    put_many(3, 1);
    pull(100, "", PULL_OVER_BOTH);
    store_close_pull(store, &close);
    ends("closed, beside another that is opened");
    close.settled = 1;
    store_begin(store);
    store_close_pull(store, &close);
    ends("settled");
    clock_offsets[1] += 61000;
    store_begin(store);
    store_give_up_pulls(store);
    ends("the other is given up");
    is_int(number(store, "SELECT count(*) FROM pull"), 1, "and leaves");
    clock_offsets[1] += INT64_C(8) * 24 * 3600 * 1000;
    while (number(store, "SELECT count(*) FROM item WHERE state = 3") > 0) {
        clock_offsets[1] += 1000;
        store_begin(store);
        store_remove_old(store);
        ends("what was pulled long ago is removed");
    }
    is_int(number(store, "SELECT count(*) FROM pull"), 0, "so is the pull");
}

static void reservations(void) {
    struct queue_reserve first = {.tag = "one", .node = 2, .identity = {.epoch = 5}, .top = 3};
    struct queue_reserve second = {
        .tag = "two", .node = 2, .identity = {.epoch = 5}, .top = 3, .oldest = 1};
    struct queue_settle settle = {
        .tag = "one", .node = 2, .epoch = 5, .fate = {.fate = PULL_IS_CLOSED, .rest = 3}};
    store_begin(store);
    put_many(10, 1);
    store_reserve_items(store, &first, &batch);
    store_reserve_items(store, &second, &batch);
    ends("items are set aside");
    store_begin(store);
    store_reserve_items(store, &second, &batch);
    ends("asked for again");
    store_begin(store);
    store_settle(store, &settle);
    settle.fate = (struct queue_fate){.fate = PULL_UNKNOWN};
    memcpy(settle.tag, second.tag, PULL_TAG_SIZE);
    store_settle(store, &settle);
    ends("one is settled, one freed");
    settle.known = 1;
    memcpy(settle.tag, first.tag, PULL_TAG_SIZE);
    store_begin(store);
    store_settle(store, &settle);
    ends("the other node knows of one");
    is_int(number(store, "SELECT count(*) FROM reservation WHERE settled < 2"), 0,
           "there are none left");
}

static void change(const char *name, enum machine_state state, const char *why) {
    struct queue_machine_update wanted = {.state = state};
    snprintf(wanted.name, sizeof wanted.name, "%s", name);
    snprintf(wanted.id, sizeof wanted.id, "i-%s", name);
    snprintf(wanted.why, sizeof wanted.why, "%s", why);
    if (store_update_machine(store, &wanted) != QUEUE_OK)
        abort();
}

static void fleet(void) {
    struct queue_worker worker = lease_of(1).worker;
    store_begin(store);
    change("m1", MACHINE_LAUNCHING, "one is needed");
    change("m1", MACHINE_LAUNCHED, "");
    change("m2", MACHINE_LAUNCHING, "another");
    ends("machines are launched");
    snprintf(worker.name, sizeof worker.name, "m1-worker");
    snprintf(worker.machine, sizeof worker.machine, "m1");
    store_begin(store);
    store_retire(store, &worker);
    store_retire(store, &worker);
    ends("a worker comes and retires, twice");
    store_begin(store);
    change("m1", MACHINE_GONE, "it is gone");
    change("m1", MACHINE_GONE, "");
    ends("a machine is gone, twice");
    for (int i = 0; i < 1100; i += 100) {
        store_begin(store);
        for (int k = 0; k < 100; k++)
            change("", MACHINE_LAUNCHING, "more to say");
        store_commit(store);
    }
    store_begin(store);
    change("", MACHINE_LAUNCHING, "the last");
    ends("decisions come and leave");
    is_int(number(store, "SELECT count(*) FROM decision"), 1000, "when a thousand are behind them");
}

static void loans(void) {
    struct queue_hello hello = {.node = 2, .count = 2, .identity = {.epoch = 9}};
    static struct queue_hello_answer answer;
    struct queue_loan_step step = {.id = id_new(1), .node = 2, .step = LOAN_WANT};
    static struct queue_heard heard;
    hello.loans[0] = id_new(2);
    hello.loans[1] = id_new(2);
    store_begin(store);
    store_hello(store, &hello, &answer);
    ends("a peer says hello");
    hello.nonce = answer.nonce;
    store_begin(store);
    store_hello(store, &hello, &answer);
    ends("and wants loans");
    is_int(number(store, "SELECT count(*) FROM loan WHERE side = 1"), 2, "which it gets");
    store_begin(store);
    store_loan(store, &step);
    ends("a loan is wanted of it");
    heard = (struct queue_heard){.sent = {.node = 2, .count = 1, .loans = {step.id}},
                                 .clock_ms = store_now_ms(sqlite_of(store)) + 1,
                                 .answer = {.counts = 1, .count = 1, .ttl_ms = {5000}}};
    store_begin(store);
    store_heard(store, &heard);
    ends("and given");
    hello.count = 1;
    hello.nonce = answer.nonce;
    store_begin(store);
    store_hello(store, &hello, &answer);
    step.step = LOAN_RETURN;
    store_loan(store, &step);
    ends("loans go back");
    is_int(number(store, "SELECT count(*) FROM loan"), 1, "one is left");
    struct queue_raise raise = {.node = 2, .identity = {.epoch = 10}};
    store_begin(store);
    store_raise(store, &raise);
    ends("an older database of the peer's is refused");
}

/* Ends a minute. */
static void minute_ends(const char *what) {
    clock_offsets[0] += 60000;
    clock_offsets[1] += 60001;
    store_begin(store);
    store_keep_history(store);
    ends(what);
}

static void history(void) {
    minute_ends("a minute is saved");
    minute_ends("and the next");
    clock_offsets[1] += 10000;
    store_end_history(store);
    ok(follow(&follower), "a part of one");
    clock_offsets[1] += 10000;
    store_end_history(store);
    ok(follow(&follower), "which is added to");
    store_begin(store);
    follow_exec(sqlite_of(store)->database,
                "WITH RECURSIVE m(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM m WHERE n < 59)"
                " INSERT INTO history SELECT (unixepoch() / 3600 - days * 24) * 3600 + n * width,"
                " width, width, n, n, n, n, n, n, n, n, n"
                " FROM m, (SELECT 3 AS days, 60 AS width UNION ALL SELECT 400, 3600)");
    ends("rows of long ago");
    sqlite_of(store)->thin_from = 0; /* as after a start: only a test saves such rows */
    minute_ends("some become an hour or are removed");
    is_int(number(store, "SELECT count(*) FROM history WHERE width = 3600"), 60 - 4 + 1,
           "as many as that");
}

/* --- What leaves no trace --- */

/* An update of several rows; one of them fails. */
static void statement_fails(void) {
    struct queue_lease request = lease_of(4);
    char sql[300];
    store_begin(store);
    put_many(4, 50);
    lease_again(&request);
    ends("a lease of several");
    snprintf(sql, sizeof sql,
             "CREATE TEMP TRIGGER no BEFORE UPDATE ON main.item WHEN new.seq ="
             " (SELECT max(seq) FROM main.item WHERE lease = old.lease)"
             " BEGIN SELECT raise(ABORT, 'no'); END");
    follow_exec(sqlite_of(store)->database, sql);
    report.count = 0;
    for (int i = 0; i < grant.count; i++)
        add(i, 7, false);
    log_set_level(LOG_LEVEL_ERROR);
    store_begin(store);
    put(8, "", QUEUE_OK);
    sqlite_of(store)->next_deadline_ms = INT64_MAX;
    is_int(store_report(store, &report, &verdict), QUEUE_FAULT, "a report that fails at its end");
    follow_exec(sqlite_of(store)->database, "DROP TRIGGER temp.no");
    struct queue_enqueue same = new_item(5);
    struct uuid id;
    is_int(store_enqueue(store, &same, &id), QUEUE_OK, "items behind it are stored");
    ends("the rest of its batch is recorded without it");
    store_begin(store);
    put_many(4, 11);
    store_enqueue(store, &same, &id);
    ok(!store_commit(store) && store_state(store) == STORE_AGAIN, "an id that is there already");
    store_rollback(store);
    store_begin(store);
    is_int(store_enqueue(store, &same, &id), QUEUE_FAULT, "fails alone in the next attempt");
    ends("whose record is without it");
    is_int(number(store, "SELECT count(*) FROM item WHERE iterations = 50 AND remaining = 7"), 0,
           "nothing of it stays");
}

static int refuse_commit(void *times) {
    return (*(int *)times)-- > 0;
}

/* Batches that are not committed: their records in the log are replaced. */
static void batch_fails(void) {
    int times = 1;
    int64_t before = store_last_batch(store);
    store_begin(store);
    put_many(3, 5);
    store_rollback(store);
    is_int(store_last_batch(store), before, "a batch that is rolled back is none");
    sqlite3_commit_hook(sqlite_of(store)->database, refuse_commit, &times);
    store_begin(store);
    put_many(3, 5);
    ok(!store_commit(store), "nor one that cannot be committed");
    store_rollback(store);
    sqlite3_commit_hook(sqlite_of(store)->database, NULL, NULL);
    ok(follow(&follower) && counts_true(store), "it changes nothing");
    store_begin(store);
    put(77, "", QUEUE_OK);
    ends("the next has its number");
    is_int(store_last_batch(store), before + 1, "which is one more");
    is_int(number(store, "SELECT count(*) FROM item WHERE iterations = 77"), 1, "once");
}

static void operators(void) {
    int64_t paused;
    struct queue_pause pause = {.who = "olga", .part = PART_LEASING, .begins = 1};
    store_begin(store);
    store_pause(store, &pause, &paused);
    ends("an operator pauses leasing");
    is_int(paused, PART_LEASING, "which is told");
    pause.begins = 0;
    store_begin(store);
    store_pause(store, &pause, &paused);
    struct queue_quarantine quarantine = {.identity = "walt", .begins = 1};
    store_quarantine(store, &quarantine);
    quarantine.begins = 0;
    store_quarantine(store, &quarantine);
    struct queue_cancel cancel = {
        .id = put(5, "", QUEUE_OK), .whose = queue_everybodys, .who = "olga"};
    store_cancel(store, &cancel);
    ends("resumes it, ends a quarantine, cancels an item");
    is_int(number(store, "SELECT count(*) FROM audit"), 4, "and all of that is kept");
}

/* A start drops the record of a batch that was not committed. */
static void starts_again(void) {
    int times = 1;
    sqlite3_commit_hook(sqlite_of(store)->database, refuse_commit, &times);
    store_begin(store);
    put_many(3, 5);
    store_commit(store);
    store_rollback(store);
    store_close(store);
    store = follower.store = open_store();
    buffer_clear(&follower.bytes);
    ok(!batch_reader_get(follower.reader, store_last_batch(store) + 1, &follower.bytes),
       "behind a start the log ends with the last batch");
    ok(batch_reader_get(follower.reader, store_last_batch(store), &follower.bytes),
       "which is there");
    store_begin(store);
    put_many(3, 5);
    ends("the next follows it");
}

static void is_not_replicated(void) {
    store_close(store);
    conf.copying = COPY_NONE;
    store = follower.store = open_store();
    int64_t before = store_last_batch(store);
    store_begin(store);
    put_many(1, 5);
    ok(store_commit(store), "COPY=none: a batch is committed");
    is_int(store_last_batch(store), before + 1, "it has a number");
    is_int(number(store, "SELECT batch_check = zeroblob(32) FROM tally"), 1, "and no check");
    buffer_clear(&follower.bytes);
    ok(!batch_reader_get(follower.reader, before, &follower.bytes) &&
           !batch_reader_get(follower.reader, before + 1, &follower.bytes),
       "there is no log");
    store_close(store);
    follow_end(&follower);
    conf.copying = COPY_ASYNC;
    store = open_store();
    follow_begin(&follower, store);
    store_begin(store);
    put_many(1, 5);
    ends("COPY=async: a copy that has all of that goes on");
}

int main(void) {
    set_up();
    conf.node = 1;
    conf.has_peer = true;
    conf.peer.node = 2;
    conf.copying = COPY_ASYNC;
    conf.workers_max = 5;
    conf.loan_seconds = 20;
    conf.wait_launch_seconds = INT64_C(100) * 24 * 3600;
    log_set_level(LOG_LEVEL_ERROR);
    store = open_store();
    follow_begin(&follower, store);
    follower.second = follow_copy(store, "second");
    enqueues();
    leases();
    reports();
    time_passes();
    pulls();
    reservations();
    fleet();
    loans();
    operators();
    history();
    statement_fails();
    batch_fails();
    starts_again();
    is_not_replicated();
    follow_end(&follower);
    store_close(store);
    return done_testing();
}
