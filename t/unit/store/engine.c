/* What an engine may lack, and that SQLite lacks nothing. */
#include "fcgi/store/engine.h"

#include <string.h>

#include "tap.h"

static void answers_without(void) {
    static const struct store_engine least = {.name = "least"};
    static struct pages pages;
    struct store store = {.engine = &least};
    ok(store_checkpoint(&store), "who needs no checkpoint is not poisoned by it");
    is_int(store_checkpoint_due_ms(&store), INT64_MAX, "none is ever due");
    is_int(store_backup_begin(&store), QUEUE_FAULT, "no backup can begin");
    is_int(store_backup_copy(&store), QUEUE_FAULT, "or be copied");
    ok(!store_backup_take(&store, &pages), "no part of it is ready");
    store_backup_end(&store);
    is_int(store_note_backup(&store), QUEUE_FAULT, "none is noted");
    is_int(store_close_pull(&store, NULL), QUEUE_FAULT, "no pull over both nodes is closed,");
    store_give_up_pulls(&store);
    is_int(store_next_given_up(&store), INT64_MAX, "or ever given up");
    is_int(store_reserve_items(&store, NULL, NULL), QUEUE_FAULT, "no items are set aside");
    is_int(store_settle(&store, NULL), QUEUE_FAULT, "so none are settled");
    is_int(store_hello(&store, NULL, NULL), QUEUE_FAULT, "no hello is answered");
    is_int(store_heard(&store, NULL), QUEUE_FAULT, "and no answer heard");
    is_int(store_raise(&store, NULL), QUEUE_FAULT, "no epoch is raised");
    is_int(store_loan(&store, NULL), QUEUE_FAULT, "no machine is lent");
    is_int(store_acknowledge(&store, NULL), QUEUE_FAULT, "no batch is acknowledged");
    ok(store_may_answer(&store, 7), "clients are answered at once");
    ok(!store_note_incomplete(&store), "a replica that is not there cannot be incomplete");
    ok(!store_is_superseded(&store), "no other database takes the place of this one");
}

static void reads_without(void) {
    static const struct reader_engine least;
    static const uint8_t tag[PULL_TAG_SIZE];
    static const struct uuid id;
    struct reader reader = {.engine = &least};
    is_int(reader_look_then(&reader, id, NULL, NULL, NULL), QUEUE_FAULT, "no replica has items");
    is_int(reader_list_then(&reader, NULL, NULL), QUEUE_FAULT, "or lists them");
    is_int(reader_hash_items(&reader, 1, NULL), QUEUE_FAULT, "or is compared");
    is_int(reader_pull_fate(&reader, tag, NULL), QUEUE_FAULT, "no pull has gone over both nodes");
    is_int(reader_met(&reader, NULL), QUEUE_FAULT, "no other database was met");
}

/* How many of the pointers of a table are NULL. */
static int missing(const void *table, size_t size) {
    static const char none[sizeof(void (*)(void))];
    int count = 0;
    for (size_t at = 0; at < size; at += sizeof none)
        count += memcmp((const char *)table + at, none, sizeof none) == 0;
    return count;
}

static void has_all(void) {
    static const struct conf conf;
    const struct store_engine *engine = store_engine_of(&conf);
    is_int(missing(engine, sizeof *engine), 0, "SQLite has all functions of a store");
    is_int(missing(reader_engine_of(&conf), sizeof(struct reader_engine)), 0, "and of a reader");
    ok(strncmp(store_version(&conf), "SQLite 3.", 9) == 0, "it is %s", store_version(&conf));
}

int main(void) {
    answers_without();
    reads_without();
    has_all();
    return done_testing();
}
