/* New items are stored together, some time after their enqueue: whatever looks at them in the same
 * batch finds them, and what fails is as if they had been stored one by one. */
#include "fixture.h"

enum { MANY = 2 * ENQUEUE_TABLE_MAX + ENQUEUE_TABLE_MAX / 2 };

static struct store *store;
static struct queue_grant grant;
static struct queue_batch batch;

static struct queue_enqueue keyed(int64_t iterations, const char *key, const char *client) {
    struct queue_enqueue item = new_item(iterations);
    snprintf(item.key, sizeof item.key, "%s", key);
    snprintf(item.client.name, sizeof item.client.name, "%s", client);
    return item;
}

static struct uuid put(int64_t iterations) {
    struct queue_enqueue item = new_item(iterations);
    struct uuid id;
    if (store_enqueue(store, &item, &id) != QUEUE_OK)
        abort();
    return id;
}

static void put_many(int count) {
    for (int i = 0; i < count; i++)
        put(20);
}

static bool is_same(struct uuid a, struct uuid b) {
    return memcmp(a.bytes, b.bytes, ID_SIZE) == 0;
}

/* How many of the batch under way are not stored yet. */
static int waiting_rows(void) {
    return sqlite_of(store)->enqueued.table.end;
}

static void ends(const char *what) {
    ok(store_commit(store) && waiting_rows() == 0 && counts_true(store), "%s", what);
}

static void in_order(void) {
    static struct uuid ids[MANY];
    sqlite3_stmt *row;
    int same = 0;
    store_begin(store);
    for (int i = 0; i < MANY; i++)
        ids[i] = put(10 + i);
    is_int(waiting_rows(), ENQUEUE_TABLE_MAX / 2, "many are stored whenever there are enough");
    ends("the rest with the commit");
    sqlite3_prepare_v2(sqlite_of(store)->database,
                       "SELECT id, seq, iterations, remaining, state, key IS NULL, chain = digest"
                       " FROM item ORDER BY seq",
                       -1, &row, NULL);
    for (int i = 0; i < MANY && sqlite3_step(row) == SQLITE_ROW; i++)
        same += memcmp(sqlite3_column_blob(row, 0), ids[i].bytes, ID_SIZE) == 0 &&
                sqlite3_column_int(row, 1) == i + 1 && sqlite3_column_int(row, 2) == 10 + i &&
                sqlite3_column_int(row, 3) == 9 + i && sqlite3_column_int(row, 4) == 0 &&
                sqlite3_column_int(row, 5) == 1 && sqlite3_column_int(row, 6) == 1;
    sqlite3_finalize(row);
    is_int(same, MANY, "all are there, in their order");
}

/* Every operation of the batch finds what was enqueued just before it. */
static void found_at_once(void) {
    struct queue_lease request = lease_of(QUEUE_LEASE_MAX);
    struct queue_pull pull = {.top = 2};
    struct queue_item seen;
    struct queue_tally tally;
    store_begin(store);
    is_int(store_look(store, put(10), &queue_everybodys, &seen), QUEUE_OK, "a look finds it");
    struct uuid id = put(11);
    put(12);
    is_int(store_cancel(store, &(struct queue_cancel){.id = id, .whose = queue_everybodys}),
           QUEUE_OK, "a cancellation");
    struct queue_cancel_many cancel = {.count = 1, .confirm = -1, .items = {put(13)}};
    struct queue_cancelled cancelled;
    store_cancel_many(store, &cancel, &cancelled);
    is_int(cancelled.count, 1, "one of many");
    put(14);
    store_lease(store, &request, &grant);
    is_int(grant.count, MANY + 3, "a lease gets all that wait, and the last one");
    is_int(put(1).bytes[6] >> 4, 7, "one of one iteration");
    struct uuid last = put(1);
    is_int(store_pull(store, &pull, &batch), QUEUE_OK, "is done");
    ok(batch.count == 2 && is_same(batch.items[0].id, last), "and pulled, the latest first");
    clock_offsets[1] += 5000;
    ends("all of it is stored");
    store_begin(store);
    put(15);
    clock_offsets[1] += 7000;
    is_int(store_tally(store, &queue_everybodys, &tally), QUEUE_OK, "and counted");
    is_int(tally.items[ITEM_WAITING], 1, "as waiting");
    ends("and stored");
}

static void keys(void) {
    struct queue_enqueue first = keyed(10, "k", "");
    struct queue_enqueue again = keyed(10, "k", "");
    struct queue_enqueue other = keyed(11, "k", "");
    struct queue_enqueue theirs = keyed(10, "k", "them");
    struct uuid id;
    store_begin(store);
    store_enqueue(store, &first, &id);
    is_int(store_enqueue(store, &again, &id), QUEUE_OK, "a key again in the same batch");
    ok(is_same(id, first.id) && waiting_rows() == 1, "gives the item, which is not stored yet");
    is_int(store_enqueue(store, &other, &id), QUEUE_CONFLICT, "for other work it is refused");
    is_int(store_enqueue(store, &theirs, &id), QUEUE_OK, "another client's key");
    ok(is_same(id, theirs.id), "is another one");
    put_many(MANY);
    is_int(store_enqueue(store, &again, &id), QUEUE_OK, "the same behind many");
    ok(is_same(id, first.id), "gives the item, which is stored");
    ends("they are stored");
    is_int(number(store, "SELECT count(*) FROM item WHERE key = 'k'"), 2, "once each");
    store_begin(store);
    put(20);
    is_int(store_enqueue(store, &again, &id), QUEUE_OK, "in the next batch");
    ok(is_same(id, first.id) && waiting_rows() == 1, "the same, and others go on waiting");
    is_int(store_enqueue(store, &other, &id), QUEUE_CONFLICT, "and the same conflict");
    ends("nothing else is");
}

/* A statement that fails between them leaves them alone. */
static void others_fail(void) {
    int64_t before = number(store, "SELECT count(*) FROM item");
    store_begin(store);
    put(30);
    struct uuid id = put(31);
    sqlite3_exec(sqlite_of(store)->database,
                 "CREATE TEMP TRIGGER no BEFORE UPDATE ON main.item"
                 " BEGIN SELECT raise(ABORT, 'no'); END",
                 NULL, NULL, NULL);
    is_int(store_cancel(store, &(struct queue_cancel){.id = id, .whose = queue_everybodys}),
           QUEUE_FAULT, "a cancellation that SQLite refuses");
    sqlite3_exec(sqlite_of(store)->database, "DROP TRIGGER temp.no", NULL, NULL, NULL);
    put(32);
    is_int(store_cancel(store, &(struct queue_cancel){.id = id_new(7)}), QUEUE_NONE,
           "and one of nothing");
    put(33);
    ends("leave the items around them");
    is_int(number(store, "SELECT count(*) FROM item") - before, 4, "all four");
}

/* An item that cannot be stored fails alone, in the second attempt. */
static void one_fails(struct queue_enqueue same, int before, int behind) {
    int64_t rows = number(store, "SELECT count(*) FROM item");
    int64_t seq = number(store, "SELECT max(seq) FROM item");
    struct uuid id;
    struct queue_enqueue others = new_item(41);
    store_begin(store);
    put_many(before);
    store_enqueue(store, &same, &id);
    if (behind > 0) /* it may have been told already */
        store_enqueue(store, &others, &id);
    ok(!store_commit(store), "a batch with its id again");
    is_int(store_state(store), STORE_AGAIN, "must be tried again");
    store_rollback(store);
    is_int(number(store, "SELECT count(*) FROM item"), rows, "nothing of it stays");
    store_begin(store);
    put_many(before);
    is_int(store_enqueue(store, &same, &id), QUEUE_FAULT, "then that one fails");
    put_many(behind);
    ends("and the others are stored");
    is_int(number(store, "SELECT max(seq) FROM item"), seq + before + behind, "without a gap");
    store_begin(store);
    put(42);
    put(42);
    is_int(waiting_rows(), 2, "the next batch stores several at once again");
    store_rollback(store);
}

static void fill_disk(void) {
    char limit[60];
    sqlite3_exec(sqlite_of(store)->database, "VACUUM", NULL, NULL,
                 NULL); /* else the reserve counts, too */
    store_files_note(sqlite_of(store));
    snprintf(limit, sizeof limit, "PRAGMA max_page_count = %lld",
             (long long)number(store, "PRAGMA page_count") + 1);
    sqlite3_exec(sqlite_of(store)->database, limit, NULL, NULL, NULL);
}

static void make_room(void) {
    sqlite3_exec(sqlite_of(store)->database, "PRAGMA max_page_count = 1000000000", NULL, NULL,
                 NULL);
}

/* Fewer than are stored at once: the commit finds no room for them. */
static void full_at_commit(void) {
    int64_t before = number(store, "SELECT count(*) FROM item");
    fill_disk();
    store_begin(store);
    put_many(ENQUEUE_TABLE_MAX - 1);
    is_int(store_state(store), STORE_GOOD, "items for which there is no room");
    ok(!store_commit(store), "are not committed");
    is_int(store_state(store), STORE_DISK_FULL, "and the disk is full");
    store_rollback(store);
    is_int(store_state(store), STORE_GOOD, "the store goes on");
    is_int(number(store, "SELECT count(*) FROM item"), before, "without them");
    ok(counts_true(store), "the counts are true");
    make_room();
}

/* SQLite ends the transaction itself: nothing is written behind that. */
static void full_at_one(void) {
    int64_t before = number(store, "SELECT count(*) FROM item");
    struct queue_item seen;
    fill_disk();
    store_begin(store);
    while (store_state(store) == STORE_GOOD)
        store_look(store, put(50), &queue_everybodys, &seen);
    is_int(store_state(store), STORE_DISK_FULL, "no room for an item that is stored alone");
    ok(sqlite3_get_autocommit(sqlite_of(store)->database), "SQLite gives the batch up");
    make_room();
    struct uuid id = put(51);
    is_int(store_look(store, id, &queue_everybodys, &seen), QUEUE_FAULT, "nothing is behind it");
    put(52);
    store_rollback(store);
    store_begin(store);
    store_rollback(store);
    is_int(number(store, "SELECT count(*) FROM item"), before, "nothing stays");
    ok(counts_true(store), "the counts are true");
}

static void rolled_back(void) {
    int64_t before = number(store, "SELECT count(*) FROM item");
    store_begin(store);
    put(6000);
    store_rollback(store);
    store_begin(store);
    is_int(store_leasable(store), sqlite_of(store)->ledger.saved.items[ITEM_WAITING],
           "a batch is undone");
    put(61);
    ends("the next one");
    is_int(number(store, "SELECT count(*) FROM item") - before, 1, "stores its own item only");
    is_int(number(store, "SELECT count(*) FROM item WHERE iterations = 6000"), 0, "not the other");
}

int main(void) {
    set_up();
    log_set_level(LOG_LEVEL_ERROR);
    store = open_store();
    in_order();
    found_at_once();
    keys();
    others_fail();
    struct queue_enqueue same = new_item(40);
    store_begin(store);
    store_enqueue(store, &same, &same.id);
    ends("an item");
    one_fails(same, 2, 2);
    one_fails(same, 0, 0);
    one_fails(same, ENQUEUE_TABLE_MAX, 1);
    one_fails(same, ENQUEUE_TABLE_MAX - 1, ENQUEUE_TABLE_MAX);
    full_at_commit();
    full_at_one();
    rolled_back();
    store_close(store);
    return done_testing();
}
