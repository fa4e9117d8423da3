/* What a store keeps for its peer, tells it and learns from it. */
#include "two_stores.h"

static struct queue_grant grant;
static struct queue_batch batch;
static struct queue_copies given;

static int64_t last_change(void) {
    return number(one.store, "SELECT change FROM tally");
}

static void pull(struct node *node, int top, const char *key) {
    struct queue_pull pull = {.top = top};
    snprintf(pull.key, sizeof pull.key, "%s", key);
    store_begin(node->store);
    store_pull(node->store, &pull, &batch);
    store_commit(node->store);
}

static void changes(void) {
    struct uuid id = put(&one, 10, "");
    int64_t before = last_change();
    ok(before > 0, "what is stored is a change");
    struct queue_enqueue item = new_item(10);
    store_begin(one.store);
    store_enqueue(one.store, &item, &id);
    item = new_item(10);
    store_enqueue(one.store, &item, &id);
    store_commit(one.store);
    is_int(last_change(), before + 1, "a batch has one number");
    is_int(number(one.store, "SELECT count(*) FROM item WHERE change = (SELECT max(change) "
                             "FROM item)"),
           2, "for all that it changes");
    is_int(lease(&one, 1, &grant), QUEUE_OK, "a lease");
    report(&one, &grant, 9);
    clock_offsets[1] += 61000;
    idle_batch(&one);
    is_int(last_change(), before + 1, "its renewal and its lapse are none");
    report(&one, &grant, 5);
    is_int(last_change(), before + 2, "progress is one");
    store_begin(one.store);
    store_cancel(one.store, id);
    store_commit(one.store);
    is_int(last_change(), before + 3, "and a cancellation");
    store_begin(one.store);
    store_cancel(one.store, id);
    store_commit(one.store);
    is_int(last_change(), before + 3, "once");
    int64_t number_seen = 0;
    is_int(store_watch_change(one.store, before + 3, &number_seen), QUEUE_NONE, "none is to come");
    is_int(store_watch_change(one.store, before + 2, &number_seen), QUEUE_OK, "one has come");
    is_int(number_seen, before + 3, "the last");
}

static void told(void) {
    hear(&one, &two);
    hear(&two, &one);
    is_int(tell(&one, &two), 3, "three items are told");
    is_int(one.complete, last_change(), "up to the last change");
    is_int(differences(), 0, "both have the same");
    is_int(number(two.store, "SELECT count(*) FROM item WHERE home = 1"), 3,
           "they are kept for their home");
    is_int(number(one.store, "SELECT told FROM peer WHERE node = 2"), last_change(),
           "what was told is noted");
    is_int(number(two.store, "SELECT change FROM tally"), 0, "nothing is to be told back");
    ok(counts_true(one.store) && counts_true(two.store), "the counts are true");
    is_int(store_waiting(two.store), 0, "they sleep");
    is_int(lease(&two, 5, &grant), QUEUE_NONE, "nobody may have them");
}

static void away(void) {
    struct queue_tally tally = {0};
    clock_offsets[1] += PEER_AWAY_MS + 1000;
    ok(store_next_away(two.store) <= clock_steady_ms(), "a batch is due when the peer is away");
    store_begin(two.store);
    ok(store_commit(two.store), "it is saved");
    ok(store_next_away(two.store) > clock_steady_ms(), "once");
    is_int(store_waiting(two.store), 2, "then its items may be had");
    store_tally(two.store, &tally);
    is_int(tally.items[ITEM_WAITING], 2, "they count");
    ok(tally.remaining == 14 && tally.oldest_wait_ms >= 1000 && tally.oldest_wait_ms < 3000,
       "with what remains and since it was away");
    put(&two, 3, "");
    is_int(lease(&two, 5, &grant), QUEUE_OK, "they are leased");
    is_int(grant.count, 3, "all");
    is_int(grant.items[0].remaining, 2, "behind its own");
    ok(counts_true(two.store), "the counts are true");
    store_begin(two.store);
    store_return_lease(two.store, grant.returnable);
    ok(store_commit(two.store) && counts_true(two.store), "and when the lease goes back");
    lease(&two, 5, &grant);
    report(&two, &grant, 1);
    clock_offsets[1] += 61000;
    idle_batch(&two);
    ok(counts_true(two.store), "and when it lapses");
    is_int(number(two.store, "SELECT count(*) FROM item WHERE state = 0"), 3, "all wait again");
    report(&two, &grant, 0);
    is_int(number(two.store, "SELECT count(*) FROM item WHERE state = 2"), 3, "all are done");
    pull(&two, 10, "");
    is_int(batch.count, 1, "clients get its own");
    hear(&two, &one);
    is_int(tell(&two, &one), 3, "what became of them is told");
    is_int(differences(), 0, "both have the same");
    is_int(number(one.store, "SELECT count(*) FROM item WHERE state = 2 AND home IS NULL"), 2,
           "their home has the values");
    ok(counts_true(one.store) && counts_true(two.store), "the counts are true");
    is_int(tell(&one, &two), 0, "that is no news");
}

static void pulled(void) {
    struct queue_pull enough = {.top = 3, .if_enough = 1, .key = "pull"};
    store_begin(one.store);
    is_int(store_pull(one.store, &enough, &batch), QUEUE_NONE, "three are not done");
    store_rollback(one.store);
    pull(&one, 2, "pull");
    is_int(batch.count, 2, "two are");
    enough.top = 2;
    store_begin(one.store);
    is_int(store_pull(one.store, &enough, &batch), QUEUE_OK, "a key used before has enough");
    store_commit(one.store);
    static struct queue_batch first;
    first = batch;
    tell(&one, &two);
    is_int(differences(), 0, "both have the same");
    pull(&two, 2, "pull");
    is_int(batch.count, 2, "the peer gives the same pull");
    for (int i = 0; i < 2; i++)
        ok(memcmp(&first.items[i].id, &batch.items[i].id, ID_SIZE) == 0, "item %d of it", i);
    put(&one, 5, "key");
    put(&two, 6, "key");
    tell(&one, &two);
    tell(&two, &one);
    is_int(differences(), 0, "items with one key are kept by both");
    is_int(number(two.store, "SELECT count(*) FROM item WHERE key = 'key'"), 1,
           "the copy without it");
}

/* Has two ask for done items of one. */
static enum queue_result give(struct queue_transfer *transfer) {
    transfer->node = 2;
    store_begin(one.store);
    enum queue_result result = store_give(one.store, transfer, &given);
    store_commit(one.store);
    return result;
}

static void take_given(const struct queue_transfer *transfer) {
    store_begin(two.store);
    is_int(store_transfer_end(two.store, transfer->id, &given), QUEUE_OK, "they are taken");
    store_commit(two.store);
}

static void transfers(void) {
    struct queue_transfer transfer = {.id = id_new(2), .node = 1, .top = 2, .copies = 1};
    for (int i = 0; i < 3; i++)
        put(&one, 1, "");
    store_begin(two.store);
    is_int(store_transfer_begin(two.store, &transfer), QUEUE_OK, "a transfer is saved");
    store_commit(two.store);
    is_int(give(&transfer), QUEUE_OK, "items are given");
    is_int(given.count, 2, "as many as were asked for");
    is_int(given.items[1].home, 2, "with their new home");
    struct queue_copies first = given;
    give(&transfer);
    ok(given.count == 2 && memcmp(&first.items[0].id, &given.items[0].id, ID_SIZE) == 0 &&
           memcmp(&first.items[1].id, &given.items[1].id, ID_SIZE) == 0 &&
           given.items[1].moves == 1,
       "the same transfer gives the same");
    ok(counts_true(one.store), "the counts are true");
    is_int(one.store->counts.items[ITEM_DONE], 1, "one item is left");
    take_given(&transfer);
    is_int(number(two.store, "SELECT count(*) FROM transfer"), 0, "the transfer is over");
    is_int(two.store->counts.items[ITEM_DONE], 2, "they are its own");
    take_given(&transfer);
    is_int(two.store->counts.items[ITEM_DONE], 2, "once");
    ok(counts_true(two.store), "the counts are true");
    pull(&two, 2, "");
    is_int(batch.count, 2, "and handed out");
    tell(&one, &two);
    tell(&two, &one);
    is_int(differences(), 0, "both have the same");
    give(&transfer);
    is_int(given.count, 2, "the same transfer still gives the same");
    is_int(given.items[0].state, ITEM_DONE, "as it gave them");
    is_int(one.store->counts.items[ITEM_DONE], 1, "and none besides");
}

static void given_away(void) {
    struct queue_transfer transfer = {.id = id_new(2), .top = 2, .oldest = 1};
    is_int(give(&transfer), QUEUE_OK, "an item is given to one that tells nothing");
    is_int(given.count, 1, "the last");
    is_int(given.items[0].state, ITEM_DONE, "done");
    is_int(number(one.store, "SELECT state FROM item WHERE handed = 1"), 3, "it is closed here");
    ok(counts_true(one.store), "the counts are true");
    is_int(tell(&one, &two), 1, "it is told");
    is_int(two.store->counts.items[ITEM_DONE], 1, "not as pulled");
    is_int(tell(&two, &one), 0, "nothing else is");
    given.items[0].home = 1;
    given.items[0].moves++;
    given.node = 2;
    store_begin(one.store);
    store_transfer_end(one.store, id_new(1), &given);
    store_commit(one.store);
    is_int(one.store->counts.items[ITEM_DONE], 1, "when it comes back it is done");
    ok(counts_true(one.store), "the counts are true");
    pull(&one, 1, "");
    is_int(batch.count, 1, "and can be handed out");
    tell(&one, &two);
}

/* What was given to a peer that then was lost is not given once more. */
static void given_and_adopted(void) {
    struct queue_transfer transfer = {.id = id_new(2), .node = 1, .top = 2, .copies = 1};
    hear(&one, &two);
    put(&one, 1, "");
    put(&one, 1, "");
    give(&transfer);
    is_int(given.count, 2, "items are given");
    clock_offsets[1] += 121000;
    idle_batch(&one);
    is_int(one.store->counts.items[ITEM_DONE], 2, "and adopted, as they were not fetched");
    pull(&one, 1, "");
    is_int(batch.count, 1, "one is handed out");
    give(&transfer);
    is_int(given.count, 1, "the same transfer gives the other");
    ok(given.items[0].home == 2 && memcmp(&given.items[0].id, &batch.items[0].id, ID_SIZE) != 0,
       "which is its own");
    hear(&two, &one);
    take_given(&transfer);
    tell(&one, &two);
    tell(&two, &one);
    is_int(differences(), 0, "both have the same");
    ok(counts_true(one.store) && counts_true(two.store), "and have counted it");
    pull(&two, 10, "");
    is_int(number(two.store, "SELECT count(*) FROM item WHERE state = 2 AND home IS NULL"), 0,
           "all is pulled");
    tell(&two, &one);
}

static void adoption(void) {
    hear(&two, &one);
    for (int i = 0; i < 700; i++)
        put(&one, 1 + i % 2, "");
    tell(&one, &two);
    int64_t own = two.store->counts.items[ITEM_DONE];
    clock_offsets[1] += 119000;
    idle_batch(&two);
    is_int(two.store->counts.items[ITEM_DONE], own, "nothing is adopted before its time");
    ok(store_next_adoption(two.store) > clock_steady_ms() - 1000, "nor due");
    clock_offsets[1] += 2000;
    ok(store_next_adoption(two.store) <= clock_steady_ms(), "then it is");
    idle_batch(&two);
    int64_t some = number(two.store, "SELECT count(*) FROM item WHERE home IS NULL AND moves = 1");
    ok(some >= 500 && some < 700, "some at a time");
    ok(counts_true(two.store), "the counts are true");
    clock_offsets[1] += 1000;
    idle_batch(&two);
    is_int(number(two.store, "SELECT count(*) FROM item WHERE home = 1 AND state < 3"), 0, "all");
    ok(counts_true(two.store), "the counts are true");
    is_int(store_next_adoption(two.store), INT64_MAX, "that was it");
    pull(&two, 100, "");
    is_int(batch.count, 100, "clients get them");
    ok(tell(&two, &one) >= 700, "the peer learns of it");
    is_int(differences(), 0, "both have the same");
    is_int(number(one.store, "SELECT count(*) FROM item WHERE home = 2 AND state = 3"), 104,
           "also of what was handed out");
    ok(counts_true(one.store), "the counts are true");
    hear(&one, &two);
    is_int(store_waiting(one.store), 0, "its old home does not offer them any more");
}

/* Nobody takes for dead who was never heard from, or still tells. */
static void adoption_waits(void) {
    put(&one, 10, "");
    close_node(&two);
    open_node(&two);
    clock_offsets[1] += 3600 * 1000;
    store_begin(two.store);
    two.store->peers.all[1].adopted = 0;
    store_commit(two.store);
    tell(&one, &two);
    idle_batch(&two);
    is_int(number(two.store, "SELECT count(*) FROM item WHERE home = 1 AND state < 3"), 1,
           "who tells is not dead");
    hear(&two, &one);
    close_node(&two);
    clock_offsets[1] += 3600 * 1000; /* the node is down for an hour */
    open_node(&two);
    idle_batch(&two);
    is_int(number(two.store, "SELECT count(*) FROM item WHERE home = 1 AND state < 3"), 1,
           "time for which the node is down does not count");
}

static void faults(void) {
    struct queue_item item;
    struct uuid id = put(&one, 10, "");
    hear(&one, &two);
    tell(&one, &two);
    lease(&one, 100, &grant);
    report(&one, &grant, 4);
    static struct queue_copies copies;
    struct queue_place place = one.place;
    int64_t complete;
    copies.node = 1;
    reader_changed(one.reader, &place, &complete, &copies);
    ok(copies.count > 0, "there are changes");
    copies.node = 2;
    copies.items[copies.count - 1].chain[5] ^= 1;
    store_begin(one.store);
    is_int(store_merge(one.store, &copies), QUEUE_OK, "another chain is told");
    store_look(one.store, id, &item);
    ok(store_commit(one.store) && counts_true(one.store), "the counts are true");
    is_int(item.state, ITEM_WAITING, "the item waits");
    is_int(item.remaining, 9, "to be begun anew");
    is_int(number(one.store, "SELECT count(*) FROM item WHERE trial = 1 AND lease IS NULL"), 1,
           "no lease of before counts");
    struct queue_peers peers;
    is_int(reader_peers(one.reader, &peers), QUEUE_OK, "the peers are read");
    is_int(peers.faults, 1, "with the fault");
    is_int(peers.peers[0].away, 0, "and the peer, that is there");
    is_int(peers.change, last_change(), "and the last change");
    tell(&one, &two);
    is_int(differences(), 0, "the peer begins anew, too");
}

static void merge_keeps_leases(void) {
    static struct queue_copies copies;
    struct uuid id = put(&one, 100, "");
    lease(&one, 100, &grant);
    report(&one, &grant, 50);
    struct queue_place place = one.place;
    int64_t complete;
    copies.node = 1;
    reader_changed(one.reader, &place, &complete, &copies);
    int last = copies.count - 1;
    ok(memcmp(copies.items[last].id.bytes, id.bytes, ID_SIZE) == 0, "the item is told");
    copies.items[0] = copies.items[last];
    copies.count = 1;
    copies.node = 2;
    copies.items[0].remaining = 60;
    store_begin(one.store);
    store_merge(one.store, &copies);
    store_commit(one.store);
    struct queue_item item;
    store_begin(one.store);
    store_look(one.store, id, &item);
    store_commit(one.store);
    is_int(item.state, ITEM_LEASED, "what is behind takes no lease away");
    copies.items[0].remaining = 40;
    store_begin(one.store);
    store_merge(one.store, &copies);
    store_look(one.store, id, &item);
    ok(store_commit(one.store) && counts_true(one.store), "the counts are true");
    ok(item.state == ITEM_WAITING && item.remaining == 40, "what is ahead is gone on from");
    report(&one, &grant, 30);
    store_begin(one.store);
    store_look(one.store, id, &item);
    store_commit(one.store);
    is_int(item.remaining, 30, "also by the one who had it");
    copies.items[0].iterations = 200;
    store_begin(one.store);
    is_int(store_merge(one.store, &copies), QUEUE_OK, "another item under its id");
    ok(store_commit(one.store) && counts_true(one.store), "changes nothing");
}

static void retention(void) {
    static const int64_t days = 30LL * 24 * 3600 * 1000;
    tell(&one, &two);
    int64_t before = number(one.store, "SELECT count(*) FROM item WHERE state = 3");
    put(&one, 1, "");
    pull(&one, 1, "");
    clock_offsets[1] += days;
    for (int i = 0; i < 20; i++, clock_offsets[1] += 20000)
        idle_batch(&one);
    ok(before > 100, "many items were pulled");
    is_int(number(one.store, "SELECT count(*) FROM item WHERE state = 3"), 1,
           "what the peer was not told of stays");
    tell(&one, &two);
    clock_offsets[1] += 20000;
    idle_batch(&one);
    is_int(number(one.store, "SELECT count(*) FROM item WHERE state = 3"), 0,
           "and leaves when it was");
    ok(counts_true(one.store), "the counts are true");
    put(&one, 1, "");
    pull(&one, 1, "");
    one.conf.copying = COPY_NONE;
    clock_offsets[1] += days;
    idle_batch(&one);
    is_int(number(one.store, "SELECT count(*) FROM item WHERE state = 3"), 0,
           "without a peer nothing waits for it");
    put(&one, 1, "");
    is_int(number(one.store, "SELECT count(*) FROM item WHERE change IS NULL"), 1,
           "nor is anything counted");
    one.conf.copying = COPY_ASYNC;
}

/* A row that only a damaged database has. */
static void damaged(void) {
    struct uuid id = put(&one, 10, "");
    if (sqlite3_exec(one.store->database, "UPDATE item SET home = 300 WHERE state = 0", NULL, NULL,
                     NULL) != SQLITE_OK)
        abort();
    store_begin(one.store);
    store_cancel(one.store, id);
    ok(!store_commit(one.store), "nothing is stored when an item's home is none");
    is_int(store_state(one.store), STORE_POISONED, "the database counts as damaged");
}

int main(void) {
    set_up();
    log_set_level(LOG_LEVEL_ERROR);
    open_two();
    changes();
    told();
    away();
    pulled();
    transfers();
    given_away();
    given_and_adopted();
    adoption();
    adoption_waits();
    faults();
    merge_keeps_leases();
    retention();
    damaged();
    close_node(&one);
    close_node(&two);
    return done_testing();
}
