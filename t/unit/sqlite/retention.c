/* Retention: what leaves, when, how much of it at once. */
#include "fixture.h"

static const int64_t day_ms = 24 * 3600 * 1000;

/* Stores items of one iteration, which are done at once, and pulls them. */
static void pull_items(struct store *store, int items, const char *key) {
    static struct queue_batch batch;
    struct queue_pull pull = {.top = items};
    snprintf(pull.key, sizeof pull.key, "%s", key);
    store_begin(store);
    for (int i = 0; i < items; i++) {
        struct queue_enqueue item = new_item(1);
        struct uuid id;
        store_enqueue(store, &item, &id);
    }
    store_pull(store, &pull, &batch);
    store_commit(store);
}

static struct queue_enqueue cancel_new(struct store *store, const char *key) {
    struct queue_enqueue item = new_item(5);
    struct uuid id;
    snprintf(item.key, sizeof item.key, "%s", key);
    store_begin(store);
    store_enqueue(store, &item, &id);
    cancel_item(store, id);
    store_commit(store);
    return item;
}

/* Gives each item a point. */
static void add_points(struct store *store) {
    sqlite3_exec(sqlite_of(store)->database,
                 "INSERT INTO point (item, remaining, chain, worker, at)"
                 " SELECT seq, 1, zeroblob(64), 1, 1 FROM item",
                 NULL, NULL, NULL);
}

static int64_t points_of(struct store *store, const char *with) {
    char sql[200];
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM point LEFT JOIN item ON item.seq = item WHERE %s", with);
    return number(store, sql);
}

/* One batch with nothing but retention in it. The rows that are left. */
static int64_t batch_of_retention(struct store *store) {
    store_begin(store);
    store_remove_old(store);
    store_commit(store);
    return number(store, "SELECT count(*) FROM item");
}

static void by_age(struct store *store) {
    pull_items(store, 2, "");
    struct queue_enqueue cancelled = cancel_new(store, "key");
    struct queue_enqueue waiting = new_item(5);
    struct uuid id;
    store_begin(store);
    store_enqueue(store, &waiting, &id);
    store_commit(store);
    add_points(store);
    is_int(batch_of_retention(store), 4, "nothing leaves at once");
    is_int(points_of(store, "1"), 4, "no point either");
    clock_offsets[1] += 3 * day_ms - 60000;
    is_int(batch_of_retention(store), 4, "nor just before its time");
    clock_offsets[1] += 60000;
    is_int(batch_of_retention(store), 3, "after three days the cancelled item leaves");
    ok(counts_true(store), "the counts are true");
    clock_offsets[1] += 4 * day_ms - 60000;
    is_int(batch_of_retention(store), 3, "pulled ones stay");
    clock_offsets[1] += 60000;
    is_int(batch_of_retention(store), 1, "until seven days are over");
    ok(counts_true(store), "the counts are true");
    is_int(sqlite_of(store)->ledger.counts.items[ITEM_PULLED], 0, "none counts as pulled");
    is_int(points_of(store, "item.seq IS NULL"), 0, "an item's points leave with it");
    is_int(points_of(store, "1"), 1, "those of others stay");
    clock_offsets[1] += 3650 * day_ms;
    is_int(batch_of_retention(store), 1, "an item that waits stays, however long");
    store_begin(store);
    cancelled.id = id_new(0);
    is_int(store_enqueue(store, &cancelled, &id), QUEUE_OK, "the key of a removed item is free");
    ok(memcmp(id.bytes, cancelled.id.bytes, ID_SIZE) == 0, "and stores a new one");
    store_commit(store);
}

static void in_pieces(struct store *store) {
    int64_t before = number(store, "SELECT count(*) FROM item");
    pull_items(store, 1000, "");
    int64_t all = before + 1000;
    clock_offsets[1] += 7 * day_ms + 2000;
    int64_t left = batch_of_retention(store);
    ok(left < all && left >= all - 400, "a batch removes some of many: %d", (int)(all - left));
    clock_offsets[1] -= 1000; /* however long that took, no time has passed */
    is_int(batch_of_retention(store), left, "the next one follows a little later");
    clock_offsets[1] += 1000;
    ok(store_next_removal(store) < clock_steady_ms() + 1000, "and asks to be run");
    for (int i = 0; i < 100 && left > 0; i++) {
        clock_offsets[1] += 1000;
        left = batch_of_retention(store);
    }
    is_int(number(store, "SELECT count(*) FROM item WHERE state = 3"), 0,
           "in the end all are gone");
    ok(counts_true(store), "the counts are true");
}

static void rolled_back(struct store *store) {
    pull_items(store, 5, "");
    clock_offsets[1] += 7 * day_ms;
    store_begin(store);
    store_remove_old(store);
    store_rollback(store);
    ok(counts_true(store), "a batch that is rolled back removes nothing");
    batch_of_retention(store);
    is_int(number(store, "SELECT count(*) FROM item WHERE state = 3"), 0, "the next one does");
}

static void over_restart(struct store *store) {
    pull_items(store, 5, "");
    store_close(store);
    clock_offsets[1] += 30 * day_ms; /* the node is down for a month */
    store = open_store();
    batch_of_retention(store);
    is_int(number(store, "SELECT count(*) FROM item WHERE state = 3"), 5,
           "time for which the node is down does not count");
    clock_offsets[1] += 7 * day_ms;
    batch_of_retention(store);
    is_int(number(store, "SELECT count(*) FROM item WHERE state = 3"), 0,
           "time for which it is up does");
    store_close(store);
}

/* Inflow and removal in balance: the file must not grow for ever. */
static void file_is_reused(struct store *store) {
    int64_t pages = 0;
    for (int round = 0; round < 60; round++) {
        pull_items(store, 200, "");
        clock_offsets[1] += 7 * day_ms;
        batch_of_retention(store);
        if (round == 20)
            pages = number(store, "PRAGMA page_count");
    }
    int64_t after = number(store, "PRAGMA page_count");
    ok(after <= pages + pages / 10, "the file stops growing: %d pages, later %d", (int)pages,
       (int)after);
}

int main(void) {
    set_up();
    struct store *store = open_store();
    by_age(store);
    in_pieces(store);
    rolled_back(store);
    file_is_reused(store);
    over_restart(store);
    return done_testing();
}
