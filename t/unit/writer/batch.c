/* A batch of the writer is tried again: without an item that cannot be stored, and without enqueues
 * when the disk is full. */
#include "fcgi/writer/batch.h"
#include "fcgi/writer/operation.h"
#include "t/unit/sqlite/fixture.h"

enum { LINES = ENQUEUE_TABLE_MAX + 10, SAME = 5 };

static struct store *store;
static struct batch *batch;

/* A message to fill in, of a process that waits for ten seconds. */
static struct channel_message *begin(enum operation operation) {
    struct channel_message *message = batch_room(batch);
    memset(message, 0, sizeof *message);
    message->header = (struct channel_header){.version = CHANNEL_VERSION,
                                              .operation = (uint16_t)operation,
                                              .until_ms = clock_steady_ms() + 10000};
    return message;
}

static void add(const struct channel_message *message) {
    if (!batch_add(batch, &batch, operation_size(message)))
        abort();
}

static void add_enqueue(struct queue_enqueue item) {
    struct channel_message *message = begin(OPERATION_ENQUEUE);
    message->body.enqueue = item;
    add(message);
}

/* One call with LINES items; the one at SAME has an id of its own choice. */
static void add_many(struct uuid same) {
    struct channel_message *message = begin(OPERATION_ENQUEUE_MANY);
    struct queue_many *many = &message->body.many;
    many->count = LINES;
    for (int i = 0; i < LINES; i++) {
        many->items[i].id = i == SAME ? same : id_new(7);
        many->items[i].iterations = 10;
    }
    add(message);
}

static void add_look(struct uuid id) {
    struct channel_message *message = begin(OPERATION_LOOK);
    message->header.until_ms = clock_steady_ms(); /* it is not parked */
    message->body.look = (struct channel_look){.id = id, .whose = queue_everybodys};
    add(message);
}

static int result_of(int job) {
    int count;
    return batch_jobs(batch, &count)[job].answer->header.result;
}

static void one_fails_alone(void) {
    struct queue_enqueue first = new_item(10);
    struct queue_enqueue last = new_item(10);
    int count;
    int stored = 0;
    add_enqueue(first);
    add_many(first.id);
    add_enqueue(last);
    add_look(last.id);
    ok(batch_run(batch), "a batch in which an id comes twice");
    is_int(result_of(0), QUEUE_OK, "the first item of that id is stored");
    is_int(result_of(1), QUEUE_OK, "of many");
    const struct queue_many_stored *many = &batch_jobs(batch, &count)[1].answer->body.stored;
    for (int i = 0; i < LINES; i++)
        stored += many->items[i].result == QUEUE_OK;
    is_int(stored, LINES - 1, "all others");
    is_int(many->items[SAME].result, QUEUE_FAULT, "and not the second one");
    is_int(result_of(2), QUEUE_OK, "what comes behind them");
    is_int(result_of(3), QUEUE_OK, "is there at once");
    is_int(count, 4, "each has one answer");
    is_int(number(store, "SELECT count(*) FROM item"), LINES + 1, "nothing is there twice");
    ok(counts_true(store), "the counts are true");
    batch_clear(batch);
}

/* Both at once: the rest of the batch is applied. */
static void full_disk(void) {
    char limit[60];
    struct queue_enqueue item = new_item(10);
    struct uuid known;
    sqlite3_stmt *row;
    sqlite3_prepare_v2(sqlite_of(store)->database, "SELECT id FROM item", -1, &row, NULL);
    sqlite3_step(row);
    memcpy(known.bytes, sqlite3_column_blob(row, 0), ID_SIZE);
    sqlite3_finalize(row);
    sqlite3_exec(sqlite_of(store)->database, "VACUUM", NULL, NULL,
                 NULL); /* else the reserve counts, too */
    store_files_note(sqlite_of(store));
    snprintf(limit, sizeof limit, "PRAGMA max_page_count = %lld",
             (long long)number(store, "PRAGMA page_count") + 2);
    sqlite3_exec(sqlite_of(store)->database, limit, NULL, NULL, NULL);
    add_enqueue(item);
    add_many(known);
    add_look(item.id);
    add_look(known);
    ok(batch_run(batch), "a batch for which there is no room");
    is_int(result_of(0), QUEUE_DISK_FULL, "an item is refused");
    is_int(result_of(1), QUEUE_DISK_FULL, "many are");
    is_int(result_of(2), QUEUE_NONE, "nothing of them is there");
    is_int(result_of(3), QUEUE_OK, "the rest is answered");
    is_int(number(store, "SELECT count(*) FROM item"), LINES + 1, "nothing was stored");
    ok(counts_true(store), "the counts are true");
    batch_clear(batch);
}

int main(void) {
    set_up();
    log_set_level(LOG_LEVEL_ERROR);
    store = open_store();
    struct parked *parked = parked_new();
    batch = batch_new(store, parked);
    one_fails_alone();
    full_disk();
    batch_free(batch);
    parked_free(parked);
    store_close(store);
    return done_testing();
}
