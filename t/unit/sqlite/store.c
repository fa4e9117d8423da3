/* The store by itself: batches, what fails alone, what a rollback leaves, counts that stay true. */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

enum { RANDOM_OPERATIONS = 3000 };

static void one_fails_alone(struct store *store) {
    struct queue_enqueue first = new_item(10);
    struct queue_enqueue third = new_item(10);
    struct uuid id;
    store_begin(store);
    store_enqueue(store, &first, &id);
    store_enqueue(store, &first, &id);
    ok(!store_commit(store), "a batch in which an id comes twice is not committed");
    is_int(store_state(store), STORE_AGAIN, "and must be tried again");
    store_rollback(store);
    store_begin(store);
    is_int(store_enqueue(store, &first, &id), QUEUE_OK, "an item is stored");
    is_int(store_enqueue(store, &first, &id), QUEUE_FAULT, "the same id again fails");
    is_int(store_enqueue(store, &third, &id), QUEUE_OK, "the next in the batch does not");
    ok(store_commit(store), "and the batch is committed");
    is_int(number(store, "SELECT count(*) FROM item"), 2, "with the two good ones");
    ok(counts_true(store), "the counts are true");
}

static void full_disk(struct store *store) {
    char limit[60];
    struct queue_enqueue item;
    struct uuid id;
    enum queue_result result = QUEUE_OK;
    sqlite3_exec(sqlite_of(store)->database, "VACUUM", NULL, NULL,
                 NULL);                 /* else the reserve counts, too */
    store_files_note(sqlite_of(store)); /* nobody else has written to them */
    snprintf(limit, sizeof limit, "PRAGMA max_page_count = %lld",
             (long long)number(store, "PRAGMA page_count") + 1);
    sqlite3_exec(sqlite_of(store)->database, limit, NULL, NULL, NULL);
    int64_t before = number(store, "SELECT count(*) FROM item");
    store_begin(store);
    for (int i = 0; i < 1000 && result == QUEUE_OK; i++) {
        item = new_item(10);
        result = store_enqueue(store, &item, &id);
    }
    is_int(store_state(store), STORE_DISK_FULL, "no room: the batch says disk full");
    ok(!store_commit(store), "and cannot be committed");
    store_rollback(store);
    is_int(store_state(store), STORE_GOOD, "after the rollback the store goes on");
    is_int(number(store, "SELECT count(*) FROM item"), before, "nothing of the batch stays");
    ok(counts_true(store), "the counts are true");
    sqlite3_exec(sqlite_of(store)->database, "PRAGMA max_page_count = 1000000000", NULL, NULL,
                 NULL);
    store_begin(store);
    item = new_item(10);
    is_int(store_enqueue(store, &item, &id), QUEUE_OK, "with room again items are stored");
    ok(store_commit(store), "and committed");
}

/* SQLite's memory, which can run out: memory_left allocations still succeed. */
static sqlite3_mem_methods memory;
static int memory_left = INT_MAX;

static bool take_memory(int size) {
    if (memory_left == INT_MAX || memory_left-- > 0)
        return true;
    sqlite3_log(SQLITE_NOMEM, "failed to allocate %d bytes", size); /* as SQLite's own says */
    return false;
}

static void *get_memory(int size) {
    return take_memory(size) ? memory.xMalloc(size) : NULL;
}

static void *change_memory(void *had, int size) {
    return take_memory(size) ? memory.xRealloc(had, size) : NULL;
}

/* Before SQLite is used. */
static void make_memory_go(void) {
    sqlite3_config(SQLITE_CONFIG_GETMALLOC, &memory);
    sqlite3_mem_methods ours = memory;
    ours.xMalloc = get_memory;
    ours.xRealloc = change_memory;
    sqlite3_config(SQLITE_CONFIG_MALLOC, &ours);
}

static void no_memory(void) {
    struct store *store = open_store();
    struct queue_enqueue item = new_item(10);
    struct uuid id;
    int64_t before = number(store, "SELECT count(*) FROM item");
    store_begin(store);
    store_enqueue(store, &item, &id);
    item = new_item(10);
    memory_left = 0;
    for (int i = 0; i < 1000 && store_enqueue(store, &item, &id) == QUEUE_OK; i++)
        item = new_item(10);
    is_int(store_state(store), STORE_UNSURE, "no memory: only a new start can help");
    ok(!store_commit(store), "the batch cannot be committed");
    memory_left = INT_MAX;
    store_rollback(store);
    is_int(store_state(store), STORE_UNSURE, "and the store does not go on");
    store_close(store);
    store = open_store();
    is_int(number(store, "SELECT count(*) FROM item"), before, "nothing of the batch stays");
    ok(counts_true(store), "the counts are true");
    store_close(store);
}

/* An opening that finds too little memory, wherever that is, may be tried again. */
static void no_memory_to_open(void) {
    struct store *store = NULL;
    int failed = 0;
    int wrong = 0;
    int log = dup(STDERR_FILENO); /* some two thousand lines that say so */
    int nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, STDERR_FILENO);
    for (int most = 0; !store && wrong == 0; most++) {
        int exit_code = 0;
        memory_left = most;
        store = store_open(&conf, &exit_code);
        memory_left = INT_MAX;
        failed += store == NULL;
        wrong += store == NULL && exit_code != 75;
    }
    dup2(log, STDERR_FILENO);
    close(log);
    close(nowhere);
    ok(store && failed > 100, "a store opens once there is memory enough");
    is_int(wrong, 0, "with less it never does, and the exit code always means try again");
    if (store)
        store_close(store);
}

static void clock_over_restart(void) {
    static struct queue_grant grant;
    struct queue_lease request = lease_of(1);
    struct store *store = open_store();
    store_begin(store);
    is_int(store_lease(store, &request, &grant), QUEUE_OK, "an item is leased");
    store_commit(store);
    store_close(store);
    clock_offsets[1] += 3600 * 1000; /* the node is down for an hour */
    store = open_store();
    store_begin(store);
    store_lapse(store);
    is_int(sqlite_of(store)->ledger.counts.items[ITEM_LEASED], 1,
           "an hour of being down lets no lease lapse");
    store_rollback(store);
    clock_offsets[1] += 61 * 1000;
    store_begin(store);
    store_lapse(store);
    is_int(sqlite_of(store)->ledger.counts.items[ITEM_LEASED], 0, "a minute of being up does");
    store_rollback(store);
    store_begin(store);
    store_lapse(store);
    is_int(sqlite_of(store)->ledger.counts.items[ITEM_LEASED], 0,
           "a lapse that was rolled back comes again");
    ok(store_commit(store) && counts_true(store), "the counts are true");
    is_int(number(store, "SELECT max(strikes) FROM item"), 1, "one strike");
    is_int(number(store, "SELECT deadline IS NULL AND lease IS NOT NULL AND since > 0 "
                         "FROM item WHERE strikes = 1"),
           1, "it waits since its deadline and keeps its last lease's id");
    store_close(store);
}

/* Adds an item of a grant to a report. */
static void add_to_report(struct queue_report *report, const struct queue_grant *grant, int item,
                          int64_t remaining, bool release) {
    struct queue_report_item *entry = &report->items[report->count++];
    *entry = (struct queue_report_item){.id = grant->items[item].id,
                                        .lease = grant->returnable.lease,
                                        .remaining = remaining,
                                        .release = release};
    memset(entry->chain, 'a' + (int)remaining, DIGEST_SIZE);
}

/* The entries of a report count one after another, also when they are about one item. */
static void same_item_twice(void) {
    static struct queue_grant grant;
    static struct queue_report report;
    static struct queue_verdict verdict;
    struct store *store = open_store();
    struct queue_lease request = lease_of(5);
    struct uuid id;
    store_begin(store);
    for (int i = 0; i < 5; i++) {
        struct queue_enqueue item = new_item(10);
        store_enqueue(store, &item, &id);
    }
    store_lease(store, &request, &grant);
    report.worker = request.worker;
    add_to_report(&report, &grant, 0, 5, false);
    add_to_report(&report, &grant, 1, 0, false);
    add_to_report(&report, &grant, 0, 0, false); /* goes on from its own checkpoint */
    add_to_report(&report, &grant, 1, 0, false); /* the same result again */
    add_to_report(&report, &grant, 2, 4, true);
    add_to_report(&report, &grant, 2, 3, false); /* no lease holds it any more */
    add_to_report(&report, &grant, 0, 2, false); /* a step back */
    is_int(store_report(store, &report, &verdict), QUEUE_OK, "a report with items that come twice");
    static const uint8_t wanted[] = {1, 1, 1, 1, 1, 0, 0};
    ok(memcmp(verdict.taken, wanted, sizeof wanted) == 0,
       "each entry is judged by those before it");
    ok(store_commit(store) && counts_true(store), "the counts are true");
    is_int(number(store, "SELECT count(*) FROM item WHERE state = 2 AND chain = "
                         "CAST(printf('%.64c', 'a') AS BLOB)"),
           2, "two are done, with their values");
    is_int(number(store, "SELECT remaining FROM item WHERE state = 0 AND lease IS NULL "
                         "AND chain = CAST(printf('%.64c', 'e') AS BLOB)"),
           4, "one waits with its progress");
    is_int(number(store, "SELECT count(*) FROM item WHERE state = 1 AND remaining = 9"), 2,
           "the others are as they were");
    store_close(store);
}

/* One random operation on a random item of those that were leased last. */
static void random_operation(struct store *store, struct queue_grant *grant) {
    static struct queue_batch batch;
    static struct queue_verdict verdict;
    static struct queue_report report;
    struct queue_lease request = lease_of(1 + rand() % 5);
    struct queue_enqueue item = new_item(1 + rand() % 3);
    struct queue_pull pull = {.top = 1 + rand() % 3, .oldest = rand() % 2};
    struct uuid id;
    int chosen = grant->count > 0 ? rand() % grant->count : 0;
    report.worker = request.worker;
    report.count = 1 + rand() % 4;
    for (int i = 0; i < report.count; i++) { /* one item may come several times */
        int other = grant->count > 0 ? rand() % grant->count : 0;
        report.items[i] = (struct queue_report_item){.id = grant->items[other].id,
                                                     .lease = grant->returnable.lease,
                                                     .remaining = rand() % 3,
                                                     .release = rand() % 4 == 0};
        memset(report.items[i].chain, 'd', DIGEST_SIZE);
    }
    switch (rand() % 8) {
    case 0:
    case 1:
        store_enqueue(store, &item, &id);
        break;
    case 2:
        store_lease(store, &request, grant);
        break;
    case 3:
    case 4:
        store_report(store, &report, &verdict);
        break;
    case 5:
        store_pull(store, &pull, &batch);
        break;
    case 6:
        cancel_item(store, grant->items[chosen].id);
        break;
    default:
        clock_offsets[1] += rand() % 40000;
        store_lapse(store);
        if (rand() % 4 == 0)
            store_return_lease(store, grant->returnable);
        break;
    }
}

static void counts_stay_true(struct store *store) {
    static struct queue_grant grant;
    bool good = true;
    srand(1);
    for (int i = 0; i < RANDOM_OPERATIONS; i += 10) {
        store_begin(store);
        for (int j = 0; j < 10; j++)
            random_operation(store, &grant);
        if (rand() % 5 == 0)
            store_rollback(store);
        else
            good = good && store_commit(store);
        good = good && counts_true(store);
    }
    ok(good, "after each of %d random batches the counts are those of the rows",
       RANDOM_OPERATIONS / 10);
    is_int(number(store, "SELECT count(*) FROM item WHERE state = 2 AND remaining > 0"), 0,
           "nothing is done with links to go");
}

static void second_writer(void) {
    struct store *store = open_store();
    int exit_code = 0;
    ok(store_open(&conf, &exit_code) == NULL, "a second writer of the same database is refused");
    store_close(store);
}

/* Has another process hold the whole database, for a while from when this returns. */
static pid_t hold_database(int milliseconds) {
    char byte = 0;
    int told[2];
    if (pipe(told) != 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        sqlite3 *database;
        sqlite3_open(conf.database, &database);
        sqlite3_exec(database, "PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE", NULL, NULL,
                     NULL);
        bool heard = write(told[1], &byte, 1) == 1;
        poll(NULL, 0, milliseconds);
        _exit(!heard);
    }
    close(told[1]);
    bool held = read(told[0], &byte, 1) == 1;
    close(told[0]);
    return held ? pid : -1;
}

static void held_for_a_moment(void) {
    int exit_code = 0;
    pid_t pid = hold_database(300);
    struct store *store = store_open(&conf, &exit_code);
    ok(pid > 0 && store != NULL, "a database that another process holds is waited for");
    waitpid(pid, NULL, 0);
    if (store)
        store_close(store);
}

static void newer_schema(void) {
    struct store *store = open_store();
    int exit_code = 0;
    sqlite3_exec(sqlite_of(store)->database, "PRAGMA user_version = 999", NULL, NULL, NULL);
    store_files_note(sqlite_of(store)); /* nobody else has written to them */
    store_close(store);
    ok(store_open(&conf, &exit_code) == NULL, "a schema from the future is refused");
    is_int(exit_code, 78, "with the exit code that means do not restart");
}

int main(void) {
    make_memory_go();
    set_up();
    log_set_level(LOG_LEVEL_ERROR);
    struct store *store = open_store();
    one_fails_alone(store);
    full_disk(store);
    store_close(store);
    no_memory();
    no_memory_to_open();
    clock_over_restart();
    same_item_twice();
    store = open_store();
    counts_stay_true(store);
    store_close(store);
    second_writer();
    held_for_a_moment();
    newer_schema();
    return done_testing();
}
