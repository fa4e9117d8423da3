/* The store on PostgreSQL: batches, what becomes of them when the server goes away, the clock, and
 * the operations of clients, also by two nodes on one database. */
#include "stores.h"

enum { CLIENT_ITEMS = 3 };

static enum queue_result pull(int node, const char *client, const char *key, int top, int oldest,
                              struct queue_batch *batch) {
    struct queue_pull pull = {.top = top, .oldest = oldest};
    snprintf(pull.client, sizeof pull.client, "%s", client);
    snprintf(pull.key, sizeof pull.key, "%s", key);
    postgres_begin(stores[node]);
    enum queue_result result = postgres_pull(stores[node], &pull, batch);
    return postgres_commit(stores[node]) ? result : QUEUE_DOWN;
}

static enum queue_result look(int node, struct uuid id, const char *client,
                              struct queue_item *item) {
    struct queue_whose whose = {.all = client == NULL};
    if (client)
        snprintf(whose.client, sizeof whose.client, "%s", client);
    postgres_begin(stores[node]);
    enum queue_result result = postgres_look(stores[node], id, &whose, item);
    return postgres_commit(stores[node]) ? result : QUEUE_DOWN;
}

static void test_enqueue(void) {
    struct uuid id = {{0}};
    struct uuid again = {{0}};
    struct queue_item item;
    struct queue_enqueue keyed = item_of("alice", 7);
    snprintf(keyed.key, sizeof keyed.key, "key");
    is_int(enqueue(0, &keyed, &id), QUEUE_OK, "an item with a key");
    is_int(look(0, id, "alice", &item), QUEUE_OK, "it is there");
    ok(item.state == ITEM_WAITING && item.iterations == 7 && item.remaining == 6, "and waits");
    is_int(look(0, id, "bob", &item), QUEUE_NONE, "nobody else's");
    is_int(look(0, id, NULL, &item), QUEUE_OK, "but an operator sees it");
    struct queue_enqueue same = keyed;
    snprintf((char *)same.id.bytes, ID_SIZE, "another id");
    is_int(enqueue(0, &same, &again), QUEUE_OK, "the key again");
    ok(is_same(id, again), "is the same item");
    same.iterations = 8;
    is_int(enqueue(0, &same, &again), QUEUE_CONFLICT, "another request with it is refused");
    same.iterations = 7;
    is_int(enqueue(1, &same, &again), QUEUE_OK, "also at another node");
    ok(is_same(id, again), "the key has that item");
    is_int(look(1, id, "alice", &item), QUEUE_OK, "which is seen there");
    is_int(number_of("SELECT count(*) FROM work"), 1, "it is one item");
    same = item_of("alice", 7);
    same.client.quota.items = 1;
    is_int(enqueue(0, &same, &again), QUEUE_OVER_ITEMS, "a quota");
    snprintf(same.key, sizeof same.key, "refused");
    is_int(enqueue(0, &same, &again), QUEUE_OVER_ITEMS, "with a key");
    is_int(number_of("SELECT count(*) FROM key"), 1, "of which nothing stays");
    same.client.quota.items = 0;
    is_int(enqueue(0, &same, &again), QUEUE_OK, "so that it may be used later");
    ok(counts_true(), "counts");
}

static void test_pull(void) {
    static struct queue_batch batch;
    static struct queue_batch again;
    struct uuid ids[CLIENT_ITEMS];
    is_int(pull(0, "carol", "early", 5, 0, &batch), QUEUE_OK, "a pull of who has nothing");
    is_int(batch.count, 0, "is empty");
    struct uuid other;
    struct queue_pull empty = {.top = 5, .key = "early", .client = "carol"};
    const struct queue_enqueue item = item_of("dave", 5);
    postgres_begin(stores[0]);
    is_int(postgres_pull(stores[0], &empty, &batch), QUEUE_OK, "also in a batch");
    is_int(postgres_enqueue(stores[0], &item, &other), QUEUE_OK, "that changes something");
    ok(postgres_commit(stores[0]), "and is stored");
    for (int i = 0; i < CLIENT_ITEMS; i++) {
        ids[i] = put(i % 2, "carol", 1);
        pg_store_of(stores[0])->clock_offset_ms += 10; /* each is done at a time of its own */
        pg_store_of(stores[1])->clock_offset_ms += 10;
    }
    put(0, "dave", 1);
    is_int(pull(0, "carol", "", 1, 1, &batch), QUEUE_OK, "the oldest");
    ok(batch.count == 1 && is_same(batch.items[0].id, ids[0]), "of both nodes");
    is_int(pull(1, "carol", "early", 5, 0, &batch), QUEUE_OK, "a key that brought nothing before");
    ok(batch.count == 2 && is_same(batch.items[0].id, ids[2]) && is_same(batch.items[1].id, ids[1]),
       "brings the rest, the latest first");
    is_int(pull(0, "carol", "early", 5, 0, &again), QUEUE_OK, "again, at the other node");
    ok(again.count == 2 && memcmp(again.items, batch.items, 2 * sizeof *batch.items) == 0,
       "the same items");
    is_int(pull(0, "carol", "early", 4, 0, &again), QUEUE_CONFLICT, "but as another pull: refused");
    is_int(pull(0, "carol", "", 5, 0, &batch), QUEUE_OK, "then");
    is_int(batch.count, 0, "nothing is left");
    ok(counts_true(), "counts");
}

static void test_cancel(void) {
    struct queue_cancel cancel = {.id = put(0, "erin", 5)};
    struct queue_item item;
    snprintf(cancel.whose.client, sizeof cancel.whose.client, "frank");
    postgres_begin(stores[1]);
    is_int(postgres_cancel(stores[1], &cancel), QUEUE_NONE, "nobody else cancels an item");
    snprintf(cancel.whose.client, sizeof cancel.whose.client, "erin");
    is_int(postgres_cancel(stores[1], &cancel), QUEUE_OK, "its client does, at another node");
    is_int(postgres_cancel(stores[1], &cancel), QUEUE_OK, "twice");
    ok(postgres_commit(stores[1]), "in one batch");
    is_int(look(0, cancel.id, "erin", &item), QUEUE_OK, "it is still seen");
    is_int(item.state, ITEM_CANCELLED, "as cancelled");
    cancel.id = put(0, "erin", 1);
    postgres_begin(stores[0]);
    is_int(postgres_cancel(stores[0], &cancel), QUEUE_CONFLICT, "what is done stays");
    ok(postgres_commit(stores[0]), "and nothing is committed");
    struct queue_cancel_many many = {.confirm = 3, .count = 2};
    struct queue_cancelled cancelled;
    snprintf(many.client, sizeof many.client, "erin");
    many.items[0] = put(0, "erin", 5);
    many.items[1] = put(0, "erin", 5);
    struct store *store = stores[0];
    pg_store_of(store)->tick_ms = 0; /* it hears of what the other node has cancelled */
    postgres_begin(store);
    is_int(postgres_cancel_many(store, &many, &cancelled), QUEUE_OK, "many, by another number");
    is_int(cancelled.count, 0, "none");
    many.confirm = cancelled.waiting;
    is_int(postgres_cancel_many(store, &many, &cancelled), QUEUE_OK, "by the right one");
    is_int(cancelled.count, 2, "all");
    ok(postgres_commit(store), "at once");
    ok(counts_true(), "counts");
}

static enum queue_result set_paused(int node, const char *who, int32_t part, int32_t begins,
                                    int64_t *paused) {
    struct queue_pause pause = {.part = part, .begins = begins};
    snprintf(pause.who, sizeof pause.who, "%s", who);
    postgres_begin(stores[node]);
    enum queue_result result = postgres_pause(stores[node], &pause, paused);
    return postgres_commit(stores[node]) ? result : QUEUE_DOWN;
}

static void test_operators(void) {
    struct uuid id;
    int64_t paused;
    struct queue_tally tally = {0};
    const struct queue_enqueue item = item_of("olga", 5);
    is_int(set_paused(0, "op", PART_INTAKE, 1, &paused), QUEUE_OK, "an operator pauses the intake");
    is_int(paused, PART_INTAKE, "which is said");
    pg_store_of(stores[1])->tick_ms = 0;
    is_int(enqueue(1, &item, &id), QUEUE_HELD, "at all nodes");
    is_int(set_paused(1, "op", PART_INTAKE, 1, &paused), QUEUE_OK, "twice");
    is_int(number_of("SELECT count(*) FROM audit WHERE who = 'op' AND what = 'pause' AND about = "
                     "'intake'"),
           1, "is kept once");
    is_int(set_paused(1, "op", PART_INTAKE, 0, &paused), QUEUE_OK, "it goes on");
    is_int(enqueue(1, &item, &id), QUEUE_OK, "there at once");
    pg_store_of(stores[0])->tick_ms = 0;
    struct queue_cancel cancel = {.id = id, .whose = queue_everybodys, .who = "op"};
    postgres_begin(stores[0]);
    is_int(postgres_cancel(stores[0], &cancel), QUEUE_OK, "an operator cancels an item");
    ok(postgres_commit(stores[0]), "of another node's client");
    is_int(number_of("SELECT count(*) FROM audit WHERE what = 'cancel' AND items = 1"), 1,
           "which is kept, too");
    postgres_begin(stores[0]);
    is_int(postgres_tally(stores[0], &queue_everybodys, &tally), QUEUE_OK, "the tally");
    ok(postgres_commit(stores[0]), "of all nodes");
    is_int(tally.items[ITEM_WAITING], number_of("SELECT count(*) FROM work WHERE state = 0"),
           "has the items of all nodes");
    ok(tally.oldest_wait_ms > 0 && tally.oldest_wait_ms < 600000, "and how long one waits");
    is_int(tally.workers, 0, "and that nobody works");
    ok(counts_true(), "counts");
}

static void test_rollback(void) {
    struct uuid id;
    const struct queue_enqueue item = item_of("grace", 5);
    int64_t waiting = pg_store_of(stores[0])->ledger.counts.items[ITEM_WAITING];
    postgres_begin(stores[0]);
    is_int(postgres_enqueue(stores[0], &item, &id), QUEUE_OK, "an item of a new client");
    postgres_rollback(stores[0]);
    is_int(pg_store_of(stores[0])->ledger.counts.items[ITEM_WAITING], waiting, "undone: no item");
    is_int(number_of("SELECT count(*) FROM client WHERE name = 'grace'"), 0, "nor client");
    is_int(enqueue(0, &item, &id), QUEUE_OK, "and it may come again");
    ok(counts_true(), "counts");
}

/* Ends the sessions of the nodes from outside. */
static void kill_sessions(void) {
    run_sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = "
            "'hashmill' AND pid <> pg_backend_pid()");
    while (number_of("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'hashmill' "
                     "AND pid <> pg_backend_pid()") > 0)
        continue;
}

static void test_lost_connection(void) {
    struct uuid id;
    struct queue_enqueue item = item_of("alice", 5);
    kill_sessions();
    is_int(enqueue(0, &item, &id), QUEUE_DOWN, "a connection that broke costs one batch");
    is_int(enqueue(0, &item, &id), QUEUE_OK, "the next one goes on");
    postgres_begin(stores[0]);
    item = item_of("alice", 5);
    is_int(postgres_enqueue(stores[0], &item, &id), QUEUE_OK, "within a batch");
    kill_sessions();
    ok(!postgres_commit(stores[0]), "it costs that");
    is_int(postgres_state(stores[0]), STORE_LOST, "which is not done");
    postgres_rollback(stores[0]);
    is_int(enqueue(0, &item, &id), QUEUE_OK, "and may be done again");
    ok(counts_true(), "counts");
}

static void test_clock(void) {
    struct pg_store *store = pg_store_of(stores[0]);
    postgres_begin(stores[0]);
    int64_t before = pg_store_now_ms(store);
    postgres_commit(stores[0]);
    run_sql("UPDATE meta SET clock_saved = clock_saved - 3600000");
    store->tick_ms = 0;
    postgres_begin(stores[0]);
    int64_t after = pg_store_now_ms(store);
    ok(after >= before && after < before + 60000, "an hour without nodes does not count");
    postgres_commit(stores[0]);
    run_sql("UPDATE meta SET clock_offset = clock_offset - 7200000");
    store->tick_ms = 0;
    postgres_begin(stores[0]);
    ok(pg_store_now_ms(store) >= after && pg_store_now_ms(store) < after + 60000,
       "nor does a server whose clock is set back");
    postgres_commit(stores[0]);
    int64_t offset = number_of("SELECT clock_offset FROM meta");
    store->tick_ms = 0;
    postgres_begin(stores[0]);
    postgres_commit(stores[0]);
    is_int(number_of("SELECT clock_offset FROM meta"), offset, "then it goes on as it is");
}

static void test_replaced(void) {
    struct uuid id;
    const struct queue_enqueue item = item_of("alice", 5);
    struct store *old = stores[0];
    stores[0] = open_store(0);
    postgres_begin(old);
    postgres_enqueue(old, &item, &id);
    ok(!postgres_commit(old), "a writer whose node another one has");
    is_int(postgres_state(old), STORE_UNSURE, "must end");
    ok(!postgres_begin(old), "and writes no more");
    is_int(enqueue(0, &item, &id), QUEUE_OK, "the other one does");
    postgres_close(old);
    ok(counts_true(), "counts");
}

static void test_refused(void) {
    int code = 0;
    run_sql("INSERT INTO schema_version (version) VALUES (99)");
    log_forget();
    ok(!pg_store_open(&confs[1], cluster.uri, &code), "a newer schema is refused");
    is_int(code, 78, "as what an operator must mend");
    ok(log_has("a newer one was here before"), "with a sentence");
    run_sql("DELETE FROM schema_version WHERE version = 99");
    ok(!pg_store_open(&confs[1], "postgresql://nobody@example.org/x", &code), "so is a bad URI");
    is_int(code, 78, "in the same way");
}

int main(void) {
    set_up_stores("store");
    test_enqueue();
    test_pull();
    test_cancel();
    test_operators();
    test_rollback();
    test_lost_connection();
    test_clock();
    test_replaced();
    test_refused();
    return tear_down_stores();
}
