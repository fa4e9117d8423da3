/* What operators do: parts that are paused, and the rows that say who did what. Each is in the
 * batch of the thing itself. */
#include "fcgi/writer/operation.h"
#include "fixture.h"

static struct store *store;
static struct queue_batch batch;
static struct queue_grant grant;

static enum queue_result pause_as(const char *who, int32_t part, bool begins, int64_t *paused) {
    struct queue_pause pause = {.part = part, .begins = begins};
    snprintf(pause.who, sizeof pause.who, "%s", who);
    return store_pause(store, &pause, paused);
}

static int64_t audits(void) {
    return number(store, "SELECT count(*) FROM audit");
}

static enum queue_result enqueue(const char *key, int64_t iterations, struct uuid *id) {
    struct queue_enqueue item = new_item(iterations);
    snprintf(item.key, sizeof item.key, "%s", key);
    return store_enqueue(store, &item, id);
}

static enum queue_result lease(void) {
    struct queue_lease request = lease_of(1);
    return store_lease(store, &request, &grant);
}

static void pauses(void) {
    int64_t paused;
    struct uuid id;
    store_begin(store);
    is_int(pause_as("olga", PART_INTAKE, true, &paused), QUEUE_OK, "the intake is paused");
    is_int(paused, PART_INTAKE, "which is told");
    is_int(enqueue("", 5, &id), QUEUE_HELD, "in the same batch");
    store_rollback(store);
    store_begin(store);
    is_int(enqueue("known", 5, &id), QUEUE_OK, "a batch that is undone undoes it");
    is_int(audits(), 0, "and its row");
    pause_as("olga", PART_INTAKE, true, &paused);
    pause_as("olga", PART_LEASING, true, &paused);
    is_int(paused, PART_INTAKE | PART_LEASING, "two parts are paused");
    ok(store_commit(store), "a batch with nothing else is committed");
    int64_t last = store_last_batch(store);
    store_begin(store);
    is_int(pause_as("otto", PART_INTAKE, true, &paused), QUEUE_OK, "what is paused is paused");
    is_int(paused, PART_INTAKE | PART_LEASING, "as before");
    store_commit(store);
    is_int(store_last_batch(store), last, "which changes nothing");
    is_int(audits(), 2, "and is no row");
    store_close(store);
    store = open_store();
    struct uuid again;
    store_begin(store);
    is_int(enqueue("", 5, &again), QUEUE_HELD, "after a start no item is taken");
    is_int(enqueue("known", 5, &again), QUEUE_OK, "but one whose key is known");
    ok(memcmp(&id, &again, sizeof id) == 0, "which is the same");
    is_int(enqueue("known", 6, &again), QUEUE_CONFLICT, "and not another");
    is_int(lease(), QUEUE_NONE, "nothing is leased");
    is_int(store_leasable(store), 0, "nor could be");
    pause_as("", PART_LEASING, false, &paused);
    is_int(paused, PART_INTAKE, "one part goes on");
    is_int(lease(), QUEUE_OK, "an item is leased");
    pause_as("", PART_INTAKE, false, &paused);
    is_int(enqueue("", 5, &id), QUEUE_OK, "and taken");
    ok(store_commit(store), "both go on");
    is_int(number(store, "SELECT paused FROM tally"), 0, "nothing is paused");
    is_int(number(store, "SELECT count(*) FROM audit WHERE who = '' AND what = 'resume'"), 2,
           "it is known, without a name");
}

static void scaling(void) {
    int64_t paused;
    struct queue_machine_update update = {.name = "hashmill-0-000000000001"};
    struct queue_worker worker = {.identity = "hashmill-0-000000000001", .name = "w", .cores = 1};
    memcpy(worker.machine, update.name, sizeof worker.machine);
    store_begin(store);
    store_update_machine(store, &update);
    update.state = MACHINE_LAUNCHED;
    store_update_machine(store, &update);
    pause_as("olga", PART_SCALING, true, &paused);
    is_int(store_retire(store, &worker), QUEUE_CONFLICT, "paused: no machine retires");
    update = (struct queue_machine_update){.name = "hashmill-0-000000000002"};
    is_int(store_update_machine(store, &update), QUEUE_CONFLICT, "none is new");
    pause_as("olga", PART_SCALING, false, &paused);
    is_int(store_update_machine(store, &update), QUEUE_OK, "resumed: one is new");
    is_int(store_retire(store, &worker), QUEUE_OK, "and one retires");
    store_commit(store);
    is_int(number(store, "SELECT count(*) FROM decision WHERE why IN ('scaling is paused by olga', "
                         "'scaling is resumed by olga')"),
           2, "the decisions say both, once");
}

/* An operator's pull of what nobody's client has. */
static enum queue_result pull(void) {
    struct queue_pull request = {.top = 10, .who = "olga"};
    return store_pull(store, &request, &batch);
}

static enum queue_result cancel(struct uuid id) {
    struct queue_cancel request = {.id = id, .whose = queue_everybodys, .who = "olga"};
    return store_cancel(store, &request);
}

static void pulls_and_cancels(void) {
    struct uuid id;
    int64_t before = audits();
    store_begin(store);
    is_int(pull(), QUEUE_OK, "a pull");
    is_int(batch.count, 0, "of nothing");
    enqueue("", 1, &id);
    enqueue("", 1, &id);
    enqueue("", 5, &id);
    pull();
    is_int(batch.count, 2, "a pull of two");
    is_int(cancel(id), QUEUE_OK, "a cancel");
    is_int(cancel(id), QUEUE_OK, "once more");
    ok(store_commit(store), "are committed");
    is_int(audits() - before, 2, "two rows: what changed nothing has none");
    is_int(number(store, "SELECT items FROM audit WHERE who = 'olga' AND what = 'pull'"), 2,
           "the pull with its items");
}

/* The thing is not done when its row cannot be written. */
static void not_without_its_row(void) {
    struct uuid id;
    int64_t paused;
    store_begin(store);
    enqueue("", 1, &id);
    store_commit(store);
    sqlite3_exec(sqlite_of(store)->database, "ALTER TABLE audit RENAME TO elsewhere", NULL, NULL,
                 NULL);
    for (int step = 0; step < 2; step++) {
        store_files_note(
            sqlite_of(store)); /* another one's change of the file is not the subject */
        store_begin(store);
        if (step == 0)
            is_int(pull(), QUEUE_FAULT, "no row, no pull");
        else
            is_int(pause_as("olga", PART_INTAKE, true, &paused), QUEUE_FAULT, "no row, no pause");
        ok(!store_commit(store), "the batch is gone");
        store_rollback(store);
    }
    is_int(sqlite_of(store)->ledger.counts.items[ITEM_DONE], 1, "the item is still done");
    is_int(sqlite_of(store)->counts.paused, 0, "nothing is paused");
    sqlite3_exec(sqlite_of(store)->database, "ALTER TABLE elsewhere RENAME TO audit", NULL, NULL,
                 NULL);
    store_files_note(sqlite_of(store));
}

static void bounded(void) {
    int64_t paused;
    sqlite3_exec(sqlite_of(store)->database,
                 "WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < "
                 "101005) INSERT INTO audit SELECT i, 1, 'a', 'pull', 'b', 1 FROM n",
                 NULL, NULL, NULL);
    store_files_note(sqlite_of(store));
    store_begin(store);
    pause_as("olga", PART_INTAKE, true, &paused);
    store_commit(store);
    is_int(audits(), 100000, "the last 100,000 rows are kept");
    is_int(number(store, "SELECT max(seq) - min(seq) FROM audit"), 99999, "without a gap");
    store_begin(store);
    pause_as("olga", PART_INTAKE, false, &paused);
    store_commit(store);
    is_int(audits(), 100000, "and no more");
}

/* A value that no program has saved. */
static void strange(void) {
    struct uuid id;
    sqlite3_exec(sqlite_of(store)->database, "UPDATE tally SET paused = 248", NULL, NULL, NULL);
    store_close(store);
    store = open_store();
    store_begin(store);
    is_int(enqueue("", 5, &id), QUEUE_OK, "bits of no part pause nothing");
    store_commit(store);
    is_int(number(store, "SELECT paused FROM tally"), 0, "and are gone");
}

/* What a process that was taken over could send. */
static void messages(void) {
    static struct channel_message message;
    message.header.operation = OPERATION_PAUSE;
    message.body.pause = (struct queue_pause){.part = PART_SCALING, .begins = 7};
    ok(operation_sane(&message), "a pause without a name");
    for (int32_t part = 0; part <= 8; part++) {
        message.body.pause.part = part;
        ok(operation_sane(&message) == (part == 1 || part == 2 || part == 4), "part %d", part);
    }
    message.body.pause.part = PART_INTAKE;
    memset(message.body.pause.who, 'x', QUEUE_NAME_SIZE);
    ok(operation_sane(&message) && message.body.pause.who[QUEUE_NAME_SIZE - 1] == '\0',
       "a name has an end");
    static const char *const names[] = {"a b", "\033[2J", "a\n", "\xff", "a'b"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        message = (struct channel_message){.header.operation = OPERATION_PAUSE,
                                           .body.pause.part = PART_INTAKE};
        snprintf(message.body.pause.who, QUEUE_NAME_SIZE, "%s", names[i]);
        ok(!operation_sane(&message), "nobody has the name %zu, who pauses", i);
        message = (struct channel_message){.header.operation = OPERATION_CANCEL};
        snprintf(message.body.cancel.who, QUEUE_NAME_SIZE, "%s", names[i]);
        ok(!operation_sane(&message), "who cancels");
        message = (struct channel_message){.header.operation = OPERATION_PULL, .body.pull.top = 1};
        snprintf(message.body.pull.who, QUEUE_NAME_SIZE, "%s", names[i]);
        ok(!operation_sane(&message), "who pulls");
        message = (struct channel_message){.header.operation = OPERATION_CLOSE_PULL};
        snprintf(message.body.close.who, QUEUE_NAME_SIZE, "%s", names[i]);
        ok(!operation_sane(&message), "at both nodes");
        message = (struct channel_message){.header.operation = OPERATION_QUARANTINE};
        snprintf(message.body.quarantine.identity, QUEUE_NAME_SIZE, "%s", names[i]);
        ok(!operation_sane(&message), "or is released");
    }
}

int main(void) {
    set_up();
    conf.workers_max = 5;
    log_set_level(LOG_LEVEL_ERROR);
    store = open_store();
    pauses();
    scaling();
    pulls_and_cancels();
    not_without_its_row();
    bounded();
    strange();
    messages();
    store_close(store);
    return done_testing();
}
