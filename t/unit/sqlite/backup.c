/* A copy of a store that is written meanwhile, and a node that goes on from it. */
#include "fcgi/sqlite/store_backup.c"
#include "two_stores.h"

enum { ITEMS = 3000 };

static struct pages pages;
static struct queue_grant grant;
static int copy_fd = -1;
static int64_t pages_sent;

/* Stores so many items in one batch, of which every third is done at once. */
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

/* Takes a part that is there into the file. Whether it was one. */
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

/* Goes on to the end; between the steps others do this. How many steps it took. */
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
        if (others && one.store->backup->work)
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

static void under_work(void) {
    int64_t before = number(one.store, "SELECT count(*) FROM item");
    begin_copy();
    int steps = go_on(work);
    int64_t more = number(one.store, "SELECT count(*) FROM item") - before;
    int64_t count = number(one.store, "PRAGMA page_count");
    ok(more >= 10, "items were stored meanwhile");
    is_int(differ(), 0, "the copy is whole, and has those, too");
    ok(pages_sent < count + steps * 30, "nothing was begun anew");
    printf("# %d steps, %lld pages of %lld sent, %lld items stored\n", steps, (long long)pages_sent,
           (long long)count, (long long)more);
    ok(counts_true(one.store), "the counts are true");
}

static void failures(void) {
    begin_copy();
    ok(go_on(fail) > 0, "a copy ends in spite of batches that fail");
    is_int(differ(), 0, "and is whole");
    int64_t count = number(one.store, "PRAGMA page_count");
    ok(pages_sent > count, "though it had to begin anew");
    begin_copy();
    for (int i = 0; i <= RESTARTS_MAX; i++) {
        store_begin(one.store);
        store_rollback(one.store);
    }
    is_int(store_backup_copy(one.store), QUEUE_FAULT, "when they do not end it is given up");
    store_backup_end(one.store);
    close(copy_fd);
}

/* Batches change more than may be kept for whoever does not fetch it. */
static void not_fetched(void) {
    begin_copy();
    while (!take())
        store_backup_copy(one.store);
    int pending = one.store->backup->pending_count;
    one.store->backup->pending_count = PENDING_MAX;
    for (int i = 0; i <= PAGES_MAX; i++)
        put_items(100); /* at least the first page is changed, which was copied */
    one.store->backup->pending_count = pending;
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

/* --- Restored --- */

/* Makes one; before is done to the copy first. */
static void make_backup(const char *before) {
    char path[100];
    sqlite3 *copy;
    begin_copy();
    ok(go_on(NULL) > 0, "a backup is made");
    snprintf(path, sizeof path, "%s/copy", directory);
    if (sqlite3_open(path, &copy) != SQLITE_OK ||
        sqlite3_exec(copy, before, NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(copy, sql_text[SQL_BACKUP_MARK], NULL, NULL, NULL) != SQLITE_OK)
        abort();
    sqlite3_close(copy);
}

/* Node 1 is lost; a new one begins with the backup. */
static void restore(void) {
    static const char *const ends[] = {"-wal", "-shm"};
    char path[100];
    char copy[100];
    close_node(&one);
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/db%s", directory, ends[i]);
        unlink(path);
    }
    snprintf(copy, sizeof copy, "%s/copy", directory);
    if (rename(copy, conf.database) != 0)
        abort();
    open_node(&one);
    one.place = (struct queue_place){0};
}

static enum queue_result put_key(const char *key) {
    struct queue_enqueue item = new_item(10);
    struct uuid id;
    snprintf(item.key, sizeof item.key, "%s", key);
    store_begin(one.store);
    enum queue_result result = store_enqueue(one.store, &item, &id);
    store_commit(one.store);
    return result;
}

/* How many items a pull gives; -1 when it gives none because they would not be enough. */
static int pull(int top, int if_enough) {
    static struct queue_batch batch;
    struct queue_pull pull = {.top = top, .if_enough = if_enough};
    store_begin(one.store);
    enum queue_result result = store_pull(one.store, &pull, &batch);
    store_commit(one.store);
    return result == QUEUE_OK ? batch.count : -1;
}

static enum queue_result pull_key(const char *key) {
    static struct queue_batch batch;
    struct queue_pull pull = {.top = 5};
    snprintf(pull.key, sizeof pull.key, "%s", key);
    store_begin(one.store);
    enum queue_result result = store_pull(one.store, &pull, &batch);
    store_commit(one.store);
    return result;
}

static enum queue_result cancel_any(void) {
    struct uuid id = put(&one, 10, "");
    store_begin(one.store);
    enum queue_result result = store_cancel(one.store, id);
    store_commit(one.store);
    return result;
}

/* Node 1 is told all that node 2 has. How many items that are. */
static int ask_for_all(void) {
    static struct queue_copies copies;
    int64_t seq = 0;
    int all = 0;
    copies.node = 2;
    do {
        if (reader_items(two.reader, &seq, &copies) != QUEUE_OK)
            abort();
        store_begin(one.store);
        if (store_merge(one.store, &copies) != QUEUE_OK || !store_commit(one.store))
            abort();
        all += copies.count;
    } while (copies.count == QUEUE_COPIES_MAX);
    return all;
}

static void caught_up(void) {
    store_begin(one.store);
    store_caught_up(one.store, 2);
    store_commit(one.store);
}

/* A node that forgets what it did after a backup. The other one knows. */
static void forgets(void) {
    hear(&one, &two);
    hear(&two, &one);
    tell(&one, &two);
    put(&two, 1, "theirs");
    tell(&two, &one);
    make_backup("");
    put(&one, 10, "late");
    put(&two, 10, "theirs, late");
    ok(pull(400, 0) == 400, "it hands items out");
    lease(&one, 50, &grant);
    report(&one, &grant, 0);
    tell(&one, &two);
    tell(&two, &one);
    int64_t pulled = one.store->counts.items[ITEM_PULLED];
    restore();
    ok(differences() > 0, "restored, it has forgotten");
    hear(&one, &two);
    is_int(pull(5, 0), 0, "it hands nothing out");
    is_int(pull(1, 1), -1, "in no way");
    is_int(put_key("late"), QUEUE_PAUSED, "nor takes a key that may have been used");
    is_int(pull_key("late"), QUEUE_PAUSED, "for a pull neither");
    is_int(cancel_any(), QUEUE_PAUSED, "and cancels nothing that may be done");
    is_int(put_key(""), QUEUE_OK, "but what has none");
    is_int(ask_for_all(), number(two.store, "SELECT count(*) FROM item"), "it is told all");
    caught_up();
    is_int(cancel_any(), QUEUE_OK, "then it does");
    is_int(one.store->counts.items[ITEM_PULLED], pulled, "what was handed out is known,");
    is_int(put_key("late"), QUEUE_OK, "so is the key,");
    is_int(number(one.store, "SELECT count(*) FROM item WHERE key = 'late'"), 1, "of one item");
    tell(&one, &two);
    is_int(differences(), 0, "both know the same");
    ok(counts_true(one.store) && counts_true(two.store), "and have counted it");
    ok(pull(5, 0) == 5, "it hands out again");
}

/* Without its peer it goes on with what it has. */
static void alone(void) {
    make_backup("DELETE FROM peer");
    restore();
    is_int(pull(5, 0), 0, "also a peer that it does not know may be there");
    make_backup("");
    restore();
    is_int(pull(5, 0), 0, "as long as the peer may be there nothing is handed out");
    clock_offsets[1] += PEER_AWAY_MS + 1000;
    is_int(pull(5, 0), 5, "but when it is away");
    hear(&one, &two);
    is_int(pull(5, 0), 0, "when it is back it is to be asked");
    close_node(&one);
    open_node(&one);
    is_int(pull(5, 0), 0, "also after a start");
    ask_for_all();
    caught_up();
    close_node(&one);
    open_node(&one);
    is_int(pull(5, 0), 5, "once");
}

int main(void) {
    set_up();
    log_set_level(LOG_LEVEL_ERROR);
    open_two();
    for (int i = 0; i < ITEMS / 100; i++)
        put_items(100);
    at_rest();
    under_work();
    failures();
    not_fetched();
    forgets();
    alone();
    close_node(&one);
    close_node(&two);
    return done_testing();
}
