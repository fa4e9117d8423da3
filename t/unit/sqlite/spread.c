/* Pulls that hand out items of both nodes: each step, each repeated, late or lost. */
#include "two_stores.h"

enum { MINUTE_MS = 60000 };
static const int64_t day_ms = 24 * 3600 * 1000;

static struct queue_batch batch;
static struct queue_batch more;
static struct queue_batch again;

static bool all_true(void) {
    return counts_true(one.store) && counts_true(two.store);
}

static int64_t done(struct node *node) {
    return sqlite_of(node->store)->ledger.counts.items[ITEM_DONE];
}

static int64_t rows(struct node *node, const char *table) {
    char sql[100];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", table);
    return number(node->store, sql);
}

/* The number of reservations whose outcome the other node is asked for. */
static int64_t asked_about(struct node *node) {
    return rows(node, "reservation WHERE settled < 2");
}

/* Whether a batch has the same items as another, in the same order. */
static bool same(const struct queue_batch *a, const struct queue_batch *b) {
    return a->count == b->count &&
           memcmp(a->items, b->items, (size_t)a->count * sizeof a->items[0]) == 0;
}

static bool is_sorted(const struct queue_batch *items) {
    for (int i = 1; i < items->count; i++) {
        const struct queue_item *x = &items->items[i - 1];
        const struct queue_item *y = &items->items[i];
        if (x->completed_wall_ms > y->completed_wall_ms ||
            (x->completed_wall_ms == y->completed_wall_ms && memcmp(&x->id, &y->id, ID_SIZE) >= 0))
            return false;
    }
    return true;
}

/* Everything is handed out and forgotten: both nodes begin the next case with nothing. */
static void clear(void) {
    struct queue_pull all = {.top = QUEUE_PULL_MAX};
    for (int i = 0; i < 3; i++) {
        clock_offsets[1] += MINUTE_MS + 1000;
        idle_batch(&one);
        idle_batch(&two);
        settle_all(&one, &two);
        settle_all(&two, &one);
    }
    pull_at(&one, &all, &batch);
    pull_at(&two, &all, &batch);
    clock_offsets[1] += 8 * day_ms;
    for (int i = 0; i < 20; i++) {
        clock_offsets[1] += 1000;
        idle_batch(&one);
        idle_batch(&two);
    }
    if (rows(&one, "item") + rows(&two, "item") + rows(&one, "reservation") +
            rows(&two, "reservation") >
        0)
        abort();
}

/* --- From start to end --- */

static void enough_here(void) {
    struct queue_pull pull = spread_of(&one, 3, "enough");
    put_done(&one, 3);
    is_int(pull_at(&one, &pull, &batch), QUEUE_OK, "what is here is enough");
    ok(batch.count == 3 && batch.share == PULL_WHOLE, "it is handed out at once");
    is_int(rows(&one, "pull"), 0, "as by one node");
    pull = spread_of(&one, 3, "enough");
    is_int(pull_at(&one, &pull, &again), QUEUE_OK, "and again");
    ok(same(&batch, &again) && again.share == PULL_WHOLE, "it is the same");
    clear();
}

static void opens(void) {
    struct queue_pull pull = spread_of(&one, 15, "key");
    put_done_at_once(&one, 8);
    put_done_at_once(&two, 5);
    is_int(pull_at(&one, &pull, &batch), QUEUE_OK, "a pull is opened");
    ok(batch.count == 8 && batch.share == PULL_OPEN && batch.rest == 7,
       "with this node's items, and how many are missing");
    ok(is_sorted(&batch), "in the order of a repeated one");
    is_int(sqlite_of(one.store)->ledger.counts.work.pulled, 3, "they are not handed out yet");
    ok(all_true() && done(&one) == 0, "but nobody else gets them");
    is_int(fate_at(&one, batch.tag).fate, PULL_IS_OPEN, "everybody can see that it is open");
    reserve_at(&two, &batch, epoch_of(&one), &more);
    ok(more.count == 5 && is_sorted(&more) && all_true(), "the other node sets its items aside");
    ok(done(&two) == 0 && sqlite_of(two.store)->ledger.counts.work.pulled == 0, "nobody gets them");
    const struct queue_peers *peers = peers_of(&two);
    ok(peers->reservation_count == 1 && peers->reserved_items == 5 &&
           memcmp(peers->reservations[0].tag, batch.tag, PULL_TAG_SIZE) == 0 &&
           peers->reservations[0].count == 5 && peers->reservations[0].node == 1 &&
           !peers->reservations[0].settled && peers->reservations[0].epoch == epoch_of(&one),
       "everybody can see that");
    reserve_at(&two, &batch, epoch_of(&one), &again);
    ok(same(&more, &again), "asked for again they are the same");
    settle_all(&two, &one);
    is_int(peers_of(&two)->reserved_items, 5, "as long as the pull is open they stay");
}

static void closes(void) {
    int64_t pulled = sqlite_of(one.store)->ledger.counts.work.pulled;
    is_int(close_at(&one, batch.tag, 5, false), QUEUE_OK, "the pull is closed");
    is_int(sqlite_of(one.store)->ledger.counts.work.pulled, pulled + 8, "its items are handed out");
    is_int(close_at(&one, batch.tag, 5, false), QUEUE_OK, "the same again is well");
    is_int(close_at(&one, batch.tag, 4, false), QUEUE_CONFLICT, "another count is not");
    struct queue_fate fate = fate_at(&one, batch.tag);
    ok(fate.fate == PULL_IS_CLOSED && fate.rest == 5, "everybody can see that it is closed");
    is_int(sqlite_of(one.store)->ledger.counts.work.pulled, pulled + 8,
           "they were handed out once");
    settle_all(&two, &one);
    is_int(sqlite_of(two.store)->ledger.counts.work.pulled, 5, "the other node knows, and counts");
    ok(peers_of(&two)->reserved_items == 0 && peers_of(&two)->reservation_count == 1 &&
           peers_of(&two)->reservations[0].settled,
       "and is to say so");
    is_int(number(one.store, "SELECT settled FROM pull"), 0, "which it has not yet");
    settle_all(&two, &one);
    is_int(number(one.store, "SELECT settled FROM pull"), 1, "then it has");
    is_int(asked_about(&two), 0, "and forgets it");
    ok(all_true(), "the counts are true");
}

static void repeats(void) {
    struct queue_pull pull = spread_of(&one, 15, "key");
    struct queue_batch first = batch;
    struct queue_batch rest = more;
    put_done(&one, 4);
    put_done(&two, 4);
    is_int(pull_at(&one, &pull, &again), QUEUE_OK, "the key again");
    ok(same(&first, &again) && again.share == PULL_CLOSED && again.rest == 5 &&
           memcmp(first.tag, again.tag, PULL_TAG_SIZE) == 0,
       "gives the same items, and says how many are missing");
    reserve_at(&two, &again, epoch_of(&one), &more);
    ok(same(&rest, &more), "which the other node gives again");
    ok(done(&one) == 4 && done(&two) == 4 && all_true(), "no others are handed out");
    pull.reach = PULL_IF_ENOUGH;
    is_int(pull_at(&one, &pull, &again), QUEUE_OK, "also when it is asked whether there is enough");
    ok(same(&first, &again) && again.share == PULL_CLOSED, "the same");
    pull = spread_of(&one, 14, "key");
    is_int(pull_at(&one, &pull, &again), QUEUE_CONFLICT, "with another top it is refused");
    pull = spread_of(&one, 15, "key");
    pull.oldest = 0;
    is_int(pull_at(&one, &pull, &again), QUEUE_CONFLICT, "and in another order");
    clear();
}

static void same_key_at_both(void) {
    struct queue_pull at_one = spread_of(&one, 10, "key");
    struct queue_pull at_two = spread_of(&two, 10, "key");
    static struct queue_batch other;
    put_done(&one, 6);
    put_done(&two, 6);
    pull_at(&one, &at_one, &batch);
    put_done(&one, 2);
    reserve_at(&two, &batch, epoch_of(&one), &more);
    ok(batch.count == 6 && more.count == 4, "a pull by a client of one node");
    is_int(pull_at(&two, &at_two, &other), QUEUE_OK, "its key at the other node");
    ok(other.count == 2 && other.share == PULL_OPEN, "is another pull");
    reserve_at(&one, &other, epoch_of(&two), &again);
    is_int(again.count, 2, "over both nodes, too");
    close_at(&one, batch.tag, 4, false);
    close_at(&two, other.tag, 2, false);
    for (int i = 0; i < 2; i++) {
        settle_all(&one, &two);
        settle_all(&two, &one);
    }
    ok(asked_about(&one) + asked_about(&two) == 0 && all_true(), "both end well");
    pull_at(&one, &at_one, &again);
    ok(same(&batch, &again), "and are there again");
    pull_at(&two, &at_two, &again);
    ok(same(&other, &again), "each at its node");
    clear();
}

/* A key is used again when its pull is forgotten, but the other node still has that one's items. */
static void same_key_later(void) {
    struct queue_pull pull = spread_of(&one, 10, "monday");
    put_done(&two, 3);
    pull_at(&one, &pull, &batch);
    reserve_at(&two, &batch, epoch_of(&one), &more);
    close_at(&one, batch.tag, 3, false);
    clock_offsets[1] += day_ms;
    settle_all(&two, &one);
    settle_all(&two, &one);
    clock_offsets[1] += 6 * day_ms + 1000;
    idle_batch(&one);
    idle_batch(&two);
    is_int(rows(&one, "pull"), 0, "a pull is forgotten");
    is_int(rows(&two, "item"), 3, "before its items are removed");
    put_done(&two, 2);
    is_int(pull_at(&one, &pull, &batch), QUEUE_OK, "then its key is used again");
    is_int(batch.share, PULL_OPEN, "for a new pull");
    reserve_at(&two, &batch, epoch_of(&one), &again);
    is_int(again.count, 2, "which gets what has not been handed out");
    bool twice = false;
    for (int i = 0; i < again.count; i++) {
        for (int k = 0; k < more.count; k++)
            twice |= memcmp(&again.items[i].id, &more.items[k].id, ID_SIZE) == 0;
    }
    ok(!twice, "and nothing twice");
    close_at(&one, batch.tag, 2, false);
    clear();
}

/* --- What goes wrong on the way --- */

static void comes_to_nothing(void) {
    struct queue_pull pull = spread_of(&one, 10, "nothing");
    pull_at(&one, &pull, &batch);
    ok(batch.count == 0 && batch.share == PULL_OPEN, "a pull of nothing here is opened");
    reserve_at(&two, &batch, epoch_of(&one), &more);
    ok(more.count == 0 && asked_about(&two) == 0, "the other node has nothing any more");
    is_int(close_at(&one, batch.tag, 0, false), QUEUE_OK, "it is closed");
    is_int(rows(&one, "pull"), 0, "and not kept, like any pull of nothing");
    is_int(close_at(&one, batch.tag, 0, false), QUEUE_NONE, "there is none any more");
    put_done(&one, 1);
    pull_at(&one, &pull, &batch);
    is_int(batch.count, 1, "the key again gets what there is then");
    is_int(close_at(&one, batch.tag, 0, false), QUEUE_OK, "which is closed");
    pull_at(&one, &pull, &again);
    ok(same(&batch, &again) && again.share == PULL_WHOLE,
       "and kept, though it is all of this node");
    clear();
}

static void lost_reservation(void) {
    struct queue_pull pull = spread_of(&one, 10, "lost");
    put_done(&one, 1);
    put_done(&two, 4);
    pull_at(&one, &pull, &batch);
    close_at(&one, batch.tag, 0, false);
    reserve_at(&two, &batch, epoch_of(&one), &more);
    is_int(more.count, 4, "a message that comes after its pull was closed sets items aside");
    settle_all(&two, &one);
    ok(done(&two) == 4 && asked_about(&two) == 0 && all_true(), "which are free again");
    clear();
}

/* A message that comes late, to a node which keeps nothing of what was pulled. */
static void late_for_what_is_over(void) {
    struct queue_pull pull = spread_of(&one, 10, "late");
    int64_t days = two.conf.pulled_days;
    two.conf.pulled_days = 0;
    put_done(&two, 3);
    pull_at(&one, &pull, &batch);
    reserve_at(&two, &batch, epoch_of(&one), &more);
    close_at(&one, batch.tag, 3, false);
    settle_all(&two, &one);
    idle_batch(&two);
    is_int(rows(&two, "item"), 0, "what was handed out is removed at once");
    put_done(&two, 4);
    reserve_at(&two, &batch, epoch_of(&one), &more);
    ok(more.count == 0 && done(&two) == 4, "a late message sets nothing aside");
    settle_all(&two, &one);
    is_int(asked_about(&two), 0, "nor when the other node knows");
    clock_offsets[1] += day_ms - 1000;
    idle_batch(&two);
    reserve_at(&two, &batch, epoch_of(&one), &more);
    ok(more.count == 0 && done(&two) == 4 && all_true(), "for a day");
    clock_offsets[1] += 1001;
    idle_batch(&two);
    is_int(rows(&two, "reservation"), 0, "then it is forgotten");
    two.conf.pulled_days = days;
    clear();
}

static void is_given_up(void) {
    struct queue_pull pull = spread_of(&one, 10, "");
    put_done(&one, 3);
    put_done(&two, 4);
    pull_at(&one, &pull, &batch);
    reserve_at(&two, &batch, epoch_of(&one), &more);
    clock_offsets[1] += MINUTE_MS - 1000;
    idle_batch(&one);
    is_int(done(&one), 0, "an open pull without a key stays for a minute");
    ok(store_next_given_up(one.store) > clock_steady_ms() &&
           store_next_given_up(one.store) <= clock_steady_ms() + 1000,
       "and says when it is to be looked at");
    clock_offsets[1] += 1000;
    store_begin(one.store);
    store_give_up_pulls(one.store);
    store_rollback(one.store);
    ok(done(&one) == 0 && all_true(), "a batch that is rolled back changes nothing");
    idle_batch(&one);
    ok(done(&one) == 3 && all_true(), "then its items are done again");
    is_int(rows(&one, "pull"), 0, "it is forgotten");
    is_int(close_at(&one, batch.tag, 4, false), QUEUE_NONE, "who closes it late is told");
    is_int(store_next_given_up(one.store) == INT64_MAX, 1, "there is nothing to look at");
    settle_all(&two, &one);
    ok(done(&two) == 4 && all_true(), "the other node's are free, too");
    reserve_at(&two, &batch, epoch_of(&one), &more);
    is_int(more.count, 4, "a message that comes later still sets them aside");
    settle_all(&two, &one);
    ok(done(&two) == 4 && asked_about(&two) == 0 && all_true(), "for a moment");
    clear();
}

/* Two are open when the writer starts, one with a key. */
static void over_a_start(void) {
    struct queue_pull keyed = spread_of(&one, 10, "keyed");
    struct queue_pull other = spread_of(&one, 10, "");
    put_done(&one, 2);
    pull_at(&one, &keyed, &batch);
    put_done(&one, 3);
    pull_at(&one, &other, &again);
    close_node(&one);
    clock_offsets[1] += 3600 * 1000;
    open_node(&one);
    idle_batch(&one);
    is_int(rows(&one, "pull"), 2, "an hour of being down ends no pull");
    clock_offsets[1] += MINUTE_MS + 1000;
    idle_batch(&one);
    ok(rows(&one, "pull") == 1 && done(&one) == 3 && all_true(),
       "a minute of being up ends the one without a key");
    clock_offsets[1] += 30 * day_ms;
    idle_batch(&one);
    is_int(rows(&one, "pull"), 1, "the other stays for as long as nobody asks");
    pull_at(&one, &keyed, &more);
    ok(same(&batch, &more) && more.share == PULL_OPEN && more.rest == 8, "it goes on as it was");
    is_int(close_at(&one, batch.tag, 0, false), QUEUE_OK, "and can be closed");
    clear();
}

/* --- Epochs --- */

static void settle_as(int64_t epoch, int fate, int rest) {
    struct queue_settle settle = {.node = 1, .epoch = epoch, .fate = {.fate = fate, .rest = rest}};
    memcpy(settle.tag, batch.tag, PULL_TAG_SIZE);
    settle_at(&two, &settle);
}

static void epochs(void) {
    struct queue_pull pull = spread_of(&one, 10, "epochs");
    int64_t epoch = epoch_of(&one);
    put_done(&two, 3);
    pull_at(&one, &pull, &batch);
    reserve_at(&two, &batch, epoch, &more);
    settle_as(epoch - 1, PULL_UNKNOWN, 0);
    settle_as(epoch - 1, PULL_IS_CLOSED, 3);
    settle_as(epoch - 1, PULL_IS_CLOSED, 0);
    ok(peers_of(&two)->reserved_items == 3 && done(&two) == 0 && all_true(),
       "an answer under an older epoch says nothing");
    settle_as(epoch, PULL_IS_OPEN, 0);
    is_int(peers_of(&two)->reserved_items, 3, "an open pull keeps what is set aside");
    settle_as(epoch, PULL_UNKNOWN, 0);
    ok(done(&two) == 3 && asked_about(&two) == 0 && all_true(),
       "one that is unknown under the same epoch frees it");
    reserve_at(&two, &batch, epoch, &more);
    settle_as(epoch + 1, PULL_UNKNOWN, 0);
    ok(done(&two) == 3 && all_true(), "or under a later one");
    reserve_at(&two, &batch, epoch, &more);
    reserve_at(&two, &batch, epoch + 1, &more);
    settle_as(epoch, PULL_IS_CLOSED, 0);
    ok(done(&two) == 0 && peers_of(&two)->reservations[0].epoch == epoch + 1,
       "asked for again under a later epoch it counts for that");
    struct queue_reserve older = {.node = 1, .identity = {.epoch = epoch}, .top = 3};
    memcpy(older.tag, batch.tag, PULL_TAG_SIZE);
    store_begin(two.store);
    is_int(store_reserve_items(two.store, &older, &more), QUEUE_CONFLICT,
           "a database that was replaced gets nothing");
    store_commit(two.store);
    settle_as(epoch, PULL_UNKNOWN, 0);
    is_int(done(&two), 0, "and an answer under its epoch says nothing any more");
    settle_as(epoch + 1, PULL_IS_CLOSED, 3);
    ok(peers_of(&two)->reservations[0].settled && all_true(), "closed it is handed out");
    settle_as(epoch + 2, PULL_UNKNOWN, 0);
    ok(done(&two) == 0 && asked_about(&two) == 1, "and not freed any more");
    close_at(&one, batch.tag, 3, false);
    clear();
}

/* --- Retention --- */

static void stays_while_unsettled(void) {
    struct queue_pull pull = spread_of(&one, 10, "unsettled");
    put_done(&one, 2);
    put_done(&two, 3);
    pull_at(&one, &pull, &batch);
    reserve_at(&two, &batch, epoch_of(&one), &more);
    clock_offsets[1] += 30 * day_ms;
    idle_batch(&one);
    idle_batch(&two);
    ok(rows(&one, "item") == 2 && rows(&two, "item") == 3,
       "what is open or set aside is not removed, however old");
    close_at(&one, batch.tag, 3, false);
    clock_offsets[1] += 7 * day_ms + 1000;
    idle_batch(&one);
    idle_batch(&two);
    is_int(rows(&one, "item"), 0, "what was handed out is, after seven days");
    is_int(rows(&one, "pull"), 1, "but the other node may still ask for the pull");
    pull_at(&one, &pull, &again);
    is_int(again.share, PULL_GONE, "which cannot be had again");
    is_int(rows(&two, "item"), 3, "there nothing is, before it has asked");
    settle_all(&two, &one);
    settle_all(&two, &one);
    put_done(&one, 1);
    struct queue_pull other = {.top = 1};
    pull_at(&one, &other, &again);
    clock_offsets[1] += 7 * day_ms + 1000;
    idle_batch(&one);
    idle_batch(&two);
    ok(rows(&one, "pull") == 0 && rows(&two, "item") == 0, "then both are");
    clear();
}

/* Retention is in the middle of a batch on either side. */
static void in_the_middle(void) {
    struct queue_pull pull = spread_of(&one, 10, "middle");
    put_done(&one, 3);
    put_done(&two, 3);
    pull_at(&one, &pull, &batch);
    reserve_at(&two, &batch, epoch_of(&one), &more);
    close_at(&one, batch.tag, 3, false);
    settle_all(&two, &one);
    sqlite3_exec(sqlite_of(two.store)->database,
                 "DELETE FROM item WHERE seq = (SELECT min(seq) FROM item)", NULL, NULL, NULL);
    store_files_note(sqlite_of(two.store));
    pull_at(&one, &pull, &again);
    reserve_at(&two, &again, epoch_of(&one), &more);
    ok(again.rest == 3 && more.count == 2, "the other node gives what it has left: it is missed");
    sqlite3_exec(sqlite_of(one.store)->database,
                 "DELETE FROM item WHERE seq = (SELECT min(seq) FROM item)", NULL, NULL, NULL);
    store_files_note(sqlite_of(one.store));
    pull_at(&one, &pull, &again);
    ok(again.share == PULL_GONE && again.count == 2, "so is what is missing here");
    forget_pulled(one.store);
    forget_pulled(two.store);
    clear();
}

/* More are set aside than can be read at once, and nobody asks again for most of them. */
static void many(void) {
    enum { MANY = QUEUE_RESERVATIONS_MAX + 20 };
    uint8_t first_tag[PULL_TAG_SIZE];
    struct queue_pull pull;
    put_done(&two, MANY);
    for (int i = 0; i < MANY; i++) {
        char key[20];
        snprintf(key, sizeof key, "many %d", i);
        pull = spread_of(&one, 1, key);
        pull_at(&one, &pull, &batch);
        reserve_at(&two, &batch, epoch_of(&one), &more);
        if (i == 0)
            memcpy(first_tag, batch.tag, PULL_TAG_SIZE);
    }
    close_at(&one, batch.tag, 1, false);
    int turns = 0;
    while (number(two.store, "SELECT count(*) FROM reservation WHERE settled = 1") == 0 &&
           turns++ < 200)
        settle_all(&two, &one);
    ok(turns < 200, "the last of %d that are set aside is settled, too", MANY);
    is_int(peers_of(&two)->reservation_count, QUEUE_RESERVATIONS_MAX, "so many are read at once");
    is_int(peers_of(&two)->reserved_items, MANY - 1, "and all are counted");
    is_int(fate_at(&one, first_tag).fate, PULL_IS_OPEN, "the first is still open");
    two.conf.peer.node = 3;
    is_int(peers_of(&two)->reservation_count, 0, "another peer is asked for none of them");
    is_int(peers_of(&two)->reserved_items, MANY - 1, "they stay");
    two.conf.peer.node = 1;
    sqlite3_exec(sqlite_of(one.store)->database, "DELETE FROM pull", NULL, NULL, NULL);
    store_files_note(sqlite_of(one.store));
    for (int i = 0; i < 200 && asked_about(&two) > 0; i++)
        settle_all(&two, &one);
    ok(asked_about(&two) == 0 && all_true(), "they are free once their pulls are gone");
    clear();
}

int main(void) {
    set_up();
    log_set_level(LOG_LEVEL_ERROR);
    open_two();
    enough_here();
    opens();
    closes();
    repeats();
    same_key_at_both();
    same_key_later();
    comes_to_nothing();
    lost_reservation();
    late_for_what_is_over();
    is_given_up();
    over_a_start();
    stays_while_unsettled();
    in_the_middle();
    many();
    epochs(); /* behind the others, which are of an older one */
    close_node(&one);
    close_node(&two);
    return done_testing();
}
