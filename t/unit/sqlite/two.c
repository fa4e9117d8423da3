/* Two nodes at random: what they do, what they tell each other late, twice or not at all, cuts for
 * short and for long. In the end both have the same, and every item came to a client. */
#include "two_stores.h"

enum { OPERATIONS = 3000, ITEMS_MAX = 4000 };

static struct uuid items[ITEMS_MAX]; /* that were accepted */
static uint8_t handed[ITEMS_MAX];    /* how often each was handed out; cancelled: once */
static int item_count;
static struct queue_grant grants[3];
static struct queue_batch batch;
static struct queue_copies brought;

static void note_handed(struct uuid id) {
    for (int i = 0; i < item_count; i++) {
        if (memcmp(&items[i], &id, ID_SIZE) == 0)
            handed[i]++;
    }
}

static void random_put(struct node *node) {
    if (item_count == ITEMS_MAX)
        return;
    items[item_count] = put(node, 1 + rand() % 4, "");
    item_count++;
}

static void random_pull(struct node *node) {
    struct queue_pull pull = {.top = 1 + rand() % 5, .oldest = rand() % 2};
    store_begin(node->store);
    store_pull(node->store, &pull, &batch);
    store_commit(node->store);
    for (int i = 0; i < batch.count; i++)
        note_handed(batch.items[i].id);
}

static void random_cancel(struct node *node) {
    if (item_count == 0)
        return;
    int n = rand() % item_count;
    int home;
    struct queue_item item;
    if (reader_look(node->reader, items[n], &item, &home) != QUEUE_OK || home >= 0)
        return; /* its home is asked to */
    store_begin(node->store);
    enum queue_result result = store_cancel(node->store, items[n]);
    store_commit(node->store);
    handed[n] += result == QUEUE_OK && handed[n] == 0;
}

/* One asks the other for done items; the answer may be lost and come again. */
static void random_transfer(struct node *to, struct node *from) {
    struct queue_transfer transfer = {.id = id_new(0),
                                      .node = (int32_t)to->conf.node,
                                      .top = 1 + rand() % 5,
                                      .oldest = rand() % 2,
                                      .copies = 1};
    for (int tries = 1 + rand() % 2; tries > 0; tries--) {
        store_begin(from->store);
        store_give(from->store, &transfer, &brought);
        store_commit(from->store);
    }
    if (rand() % 4 == 0)
        return; /* it never arrives: the copies that are told bring the items */
    store_begin(to->store);
    store_transfer_end(to->store, transfer.id, &brought);
    store_commit(to->store);
}

/* What needs the other node. */
static void random_talk(struct node *node, struct node *other) {
    switch (rand() % 4) {
    case 0:
        hear(node, other);
        break;
    case 1:
        tell_some(node, other, rand() % 4 > 0);
        break;
    case 2:
        tell(node, other);
        break;
    default:
        random_transfer(node, other);
        break;
    }
}

static void random_operation(struct node *node, struct node *other, bool cut) {
    struct queue_grant *grant = &grants[rand() % 3];
    switch (rand() % 10) {
    case 0:
    case 1:
        random_put(node);
        break;
    case 2:
    case 3:
        lease(node, 1 + rand() % 5, grant);
        break;
    case 4:
    case 5:
        if (grant->count > 0)
            report(node, grant, rand() % 3);
        break;
    case 6:
        random_pull(node);
        break;
    case 7:
        if (rand() % 3 == 0)
            random_cancel(node);
        break;
    case 8:
        clock_offsets[1] += rand() % 700;
        idle_batch(node);
        break;
    default:
        if (!cut)
            random_talk(node, other);
        break;
    }
}

/* Some time; with a cut the nodes do not hear of each other meanwhile. */
static bool some_time(bool cut) {
    bool good = true;
    for (int i = 0; i < OPERATIONS / 10; i++) {
        bool first = rand() % 2;
        random_operation(first ? &one : &two, first ? &two : &one, cut);
        if (i % 20 == 0)
            good = good && counts_true(one.store) && counts_true(two.store);
    }
    return good;
}

/* The nodes tell each other all there is to tell. False when that does not end. */
static bool settle(void) {
    hear(&one, &two);
    hear(&two, &one);
    for (int i = 0; i < 20; i++) {
        if (tell(&one, &two) + tell(&two, &one) == 0)
            return true;
    }
    return false;
}

/* Works off all items and hands them out. */
static void finish(struct node *node, struct node *other) {
    static struct queue_grant grant;
    clock_offsets[1] += 61000;
    idle_batch(node);
    hear(node, other);
    while (lease(node, 100, &grant) == QUEUE_OK)
        report(node, &grant, 0);
    do
        random_pull(node);
    while (batch.count > 0);
}

/* What was never handed out, and what was more than once. */
static void count_handed(int *never, int *again) {
    *never = 0;
    *again = 0;
    for (int i = 0; i < item_count; i++) {
        *never += handed[i] == 0;
        *again += handed[i] > 1;
    }
}

static void run(bool lost, const char *what) {
    bool good = true;
    int never;
    int again;
    item_count = 0;
    memset(handed, 0, sizeof handed);
    memset(grants, 0, sizeof grants);
    for (int i = 0; i < 10; i++) {
        good = some_time(i % 3 == 2) && good;
        if (lost && i % 3 == 2) {
            clock_offsets[1] += 121000;
            idle_batch(rand() % 2 ? &one : &two);
            good = some_time(true) && good;
        }
        hear(&one, &two);
        hear(&two, &one);
    }
    ok(good, "%s: the counts are true throughout", what);
    ok(settle(), "%s: what there is to tell comes to an end", what);
    is_int(differences(), 0, "both have the same");
    finish(&one, &two);
    finish(&two, &one);
    ok(settle() && differences() == 0, "also in the end");
    count_handed(&never, &again);
    is_int(never, 0, "every item came to a client or was cancelled");
    if (lost)
        printf("# %d of %d items were handed out twice\n", again, item_count);
    else
        is_int(again, 0, "no item twice");
    is_int(number(one.store, "SELECT count(*) FROM fault"), 0, "there were no faults");
    ok(counts_true(one.store) && counts_true(two.store), "the counts are true");
}

int main(void) {
    set_up();
    conf.lease_seconds = 5;
    log_set_level(LOG_LEVEL_ERROR);
    srand(7);
    open_two();
    one.conf.peer_lost_seconds = 864000;
    two.conf.peer_lost_seconds = 864000;
    run(false, "short cuts");
    one.conf.peer_lost_seconds = 120;
    two.conf.peer_lost_seconds = 120;
    run(true, "long cuts");
    close_node(&one);
    close_node(&two);
    return done_testing();
}
