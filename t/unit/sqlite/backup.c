/* A copy of a store that is written meanwhile, and a node that begins with it. */
#include "fcgi/sqlite/store_backup.c"
#include "fcgi/store/offline.h"
#include "two_stores.h"

enum { ITEMS = 3000 };

static struct pages pages;
static struct queue_grant grant;
static int copy_fd = -1;
static int64_t pages_sent;

/* Stores count items in one batch; every third is done at once. */
static void put_items(int count) {
    struct uuid id;
    store_begin(one.store);
    for (int i = 0; i < count; i++) {
        struct queue_enqueue item = new_item(1 + i % 3);
        store_enqueue(one.store, &item, &id);
    }
    if (!store_commit(one.store))
        abort();
}

/* What goes on while a copy is made: changes all over the file. */
static void work(void) {
    struct queue_pull pull = {.top = 3};
    static struct queue_batch batch;
    put_items(2);
    if (lease(&one, 5, &grant) == QUEUE_OK)
        report(&one, &grant, 0);
    store_begin(one.store);
    store_pull(one.store, &pull, &batch);
    store_commit(one.store);
    store_checkpoint(one.store);
}

/* A batch that comes to nothing, five times all in all. */
static void fail(void) {
    static int times;
    struct uuid id;
    struct queue_enqueue item = new_item(10);
    if (times++ >= 5)
        return;
    store_begin(one.store);
    store_enqueue(one.store, &item, &id);
    store_write_enqueued(sqlite_of(one.store));
    store_rollback(one.store);
}

static void begin_copy(void) {
    char path[100];
    snprintf(path, sizeof path, "%s/copy", directory);
    unlink(path);
    copy_fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    pages_sent = 0;
    is_int(store_backup_begin(one.store), QUEUE_OK, "a copy begins");
}

/* Takes a part, if there is one, into the file. Returns whether there was. */
static bool take(void) {
    if (!store_backup_take(one.store, &pages))
        return false;
    for (int i = 0; i < pages.count; i++) {
        if (pwrite(copy_fd, pages.items[i].bytes, PAGE_BYTES, pages.items[i].at) != PAGE_BYTES)
            abort();
    }
    pages_sent += pages.count;
    return true;
}

/* Copies to the end; calls others between the steps. Returns the number of steps. */
static int go_on(void (*others)(void)) {
    int steps = 0;
    bool complete = false;
    while (!complete) {
        if (take()) {
            complete = pages.complete;
            continue;
        }
        if (store_backup_copy(one.store) != QUEUE_OK)
            return -1;
        steps++;
        if (others && sqlite_of(one.store)->backup->work)
            others();
    }
    store_backup_end(one.store);
    if (ftruncate(copy_fd, pages.file_bytes) != 0)
        abort();
    close(copy_fd);
    return steps;
}

/* How many rows are in one of the two files only; -1 when the copy is not whole. */
static int64_t differ(void) {
    static const char sql[] = "SELECT (SELECT count(*) FROM (SELECT * FROM item EXCEPT"
                              " SELECT * FROM copy.item)) +"
                              " (SELECT count(*) FROM (SELECT * FROM copy.item EXCEPT"
                              " SELECT * FROM item)) +"
                              " (SELECT count(*) FROM (SELECT * FROM tally EXCEPT"
                              " SELECT * FROM copy.tally))";
    char attach[200];
    snprintf(attach, sizeof attach, "ATTACH 'file:%s/copy?immutable=1' AS copy", directory);
    sqlite3 *database;
    sqlite3_stmt *statement = NULL;
    int64_t count = -1;
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_URI;
    if (sqlite3_open_v2(conf.database, &database, flags, NULL) != SQLITE_OK ||
        sqlite3_exec(database, attach, NULL, NULL, NULL) != SQLITE_OK)
        abort();
    if (sqlite3_prepare_v2(database, "PRAGMA copy.integrity_check", -1, &statement, NULL) ==
            SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW &&
        strcmp((const char *)sqlite3_column_text(statement, 0), "ok") == 0)
        count = 0;
    sqlite3_finalize(statement);
    if (count == 0 && sqlite3_prepare_v2(database, sql, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        count = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(database);
    return count;
}

static void at_rest(void) {
    begin_copy();
    is_int(store_backup_begin(one.store), QUEUE_CONFLICT, "and no other beside it");
    ok(go_on(NULL) > 0, "it ends");
    is_int(differ(), 0, "the copy is whole, and has all rows");
    is_int(pages_sent, number(one.store, "PRAGMA page_count"), "each page came once");
}

static void says_its_size(void) {
    begin_copy();
    while (!take())
        store_backup_copy(one.store);
    ok(!pages.complete && pages.file_bytes == PAGE_BYTES * number(one.store, "PRAGMA page_count"),
       "the first part says how large all will be");
    store_backup_end(one.store);
    close(copy_fd);
}

static void under_work(void) {
    int64_t before = number(one.store, "SELECT count(*) FROM item");
    begin_copy();
    int steps = go_on(work);
    int64_t more = number(one.store, "SELECT count(*) FROM item") - before;
    int64_t count = number(one.store, "PRAGMA page_count");
    ok(more >= 10, "items were stored meanwhile");
    is_int(differ(), 0, "the copy is whole, and has those, too");
    ok(pages_sent < count + steps * 30, "nothing was begun again");
    printf("# %d steps, %lld pages of %lld sent, %lld items stored\n", steps, (long long)pages_sent,
           (long long)count, (long long)more);
    ok(counts_true(one.store), "the counts are true");
}

static void failures(void) {
    begin_copy();
    ok(go_on(fail) > 0, "a copy ends in spite of batches that fail");
    is_int(differ(), 0, "and is whole");
    int64_t count = number(one.store, "PRAGMA page_count");
    ok(pages_sent > count, "though it had to begin again");
    begin_copy();
    for (int i = 0; i <= RESTARTS_MAX; i++) {
        store_begin(one.store);
        store_rollback(one.store);
    }
    is_int(store_backup_copy(one.store), QUEUE_FAULT, "when they do not end it is given up");
    store_backup_end(one.store);
    close(copy_fd);
}

/* Batches change more pages than are kept for a copy that nobody fetches. */
static void not_fetched(void) {
    static struct queue_batch batch;
    struct queue_pull pull = {.top = 500, .oldest = 1};
    begin_copy();
    while (pages_sent < 150) {
        if (!take())
            store_backup_copy(one.store);
    }
    int pending = sqlite_of(one.store)->backup->pending_count;
    sqlite_of(one.store)->backup->pending_count = PENDING_MAX;
    store_begin(one.store);
    store_pull(one.store, &pull, &batch);
    if (!store_commit(one.store) || batch.count < 100)
        abort(); /* many pages are to be changed that were copied */
    sqlite_of(one.store)->backup->pending_count = pending;
    while (take())
        continue;
    is_int(store_backup_copy(one.store), QUEUE_FAULT, "what cannot be kept ends the copy");
    is_int(store_state(one.store), STORE_GOOD, "but does no harm");
    store_backup_end(one.store);
    store_backup_end(one.store);
    close(copy_fd);
    put_items(1);
    ok(counts_true(one.store), "the store goes on");
}

/* A new node begins with a backup. */
static void restored(void) {
    static const char *const ends[] = {"-wal", "-shm", "-log", "-log.old"};
    char path[100];
    int exit_code = 0;
    begin_copy();
    ok(go_on(NULL) > 0, "a copy is made");
    snprintf(path, sizeof path, "%s/copy", directory);
    ok(reader_mark_copy(path), "and marked as a backup");
    put_items(1);
    int64_t epoch = number(one.store, "SELECT epoch FROM identity");
    int64_t items = number(one.store, "SELECT count(*) FROM item") - 1;
    close_node(&one);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char beside[100];
        snprintf(beside, sizeof beside, "%s/db%s", directory, ends[i]);
        unlink(beside);
    }
    if (rename(path, conf.database) != 0)
        abort();
    ok(!store_open(&one.conf, &exit_code) && exit_code == 78,
       "none is served before it is accepted");
    struct offline *offline = offline_open(&one.conf, &exit_code);
    if (!offline || !offline_accept(offline, epoch + 1))
        abort();
    offline_close(offline);
    open_node(&one);
    is_int(number(one.store, "SELECT count(*) FROM item"), items, "then it is, with what it has");
    is_int(number(one.store, "SELECT epoch FROM identity"), epoch + 1, "under a later epoch");
    ok(counts_true(one.store), "and has counted it");
    put_items(3);
    ok(counts_true(one.store), "it goes on");
}

int main(void) {
    set_up();
    log_set_level(LOG_LEVEL_ERROR);
    one.conf = conf;
    set_peer(&one.conf, 1, 2);
    open_node(&one);
    for (int i = 0; i < ITEMS / 100; i++)
        put_items(100);
    at_rest();
    says_its_size();
    under_work();
    failures();
    not_fetched();
    restored();
    close_node(&one);
    return done_testing();
}
