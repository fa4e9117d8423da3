/* What a mill has in hand: which chain is next, what adds up to what. */
#include "worker/mill/run_queue.h"

#include "tap.h"

/* An item of a node with an id made of number. */
static struct item make_item(int number, int node, int64_t remaining) {
    struct item item = {.remaining = remaining, .node = node};
    memset(item.id, number, sizeof item.id);
    return item;
}

static void add(struct hand *hand, int number, int node, int64_t remaining) {
    struct item item = make_item(number, node, remaining);
    hand_add(hand, &item);
}

/* The number of the next item to start; 0 when none waits. It is then finished. */
static int next(struct hand *hand, bool oldest) {
    struct held *held = hand_take(hand, oldest);
    int number = held ? held->item.id[0] : 0;
    if (held)
        hand_end(hand, held);
    return number;
}

static void test_order(void) {
    struct hand hand;
    hand_init(&hand);
    is_int(next(&hand, false), 0, "nothing to take from an empty hand");
    ok(!hand_shortest(&hand), "which has no shortest");
    add(&hand, 1, 0, 1000);
    add(&hand, 2, 0, 1023);
    add(&hand, 3, 0, 512);
    add(&hand, 4, 0, 5);
    add(&hand, 5, 0, ITERATIONS_MAX);
    add(&hand, 6, 0, 1);
    is_int(hand_shortest(&hand)->item.id[0], 6, "the shortest is known");
    is_int(next(&hand, false), 6, "the shortest comes first");
    is_int(next(&hand, false), 4, "then the next");
    is_int(next(&hand, false), 1, "of about the same length the one fed first");
    is_int(next(&hand, true), 2, "or else the oldest");
    is_int(next(&hand, false), 3, "then the rest");
    is_int(next(&hand, true), 5, "the longest at last");
    is_int(hand.count, 0, "and nothing is left");
    hand_free(&hand);
}

static void test_give_back(void) {
    struct hand hand;
    hand_init(&hand);
    for (int i = 1; i <= 3; i++)
        add(&hand, i, 0, 1000);
    struct held *held = hand_take(&hand, false);
    held->item.remaining = 800;
    hand_give_back(&hand, held);
    is_int(next(&hand, false), 1, "given back it is the first of its class");
    held = hand_take(&hand, true);
    is_int(held->item.id[0], 2, "then comes the second");
    hand_give_back(&hand, held);
    is_int(next(&hand, true), 2, "which is the oldest when it is given back");
    held = hand_take(&hand, false);
    hand_drop(&hand, held);
    ok(!hand_find(&hand, 0, held->item.id), "a dropped item is not found");
    is_int(hand.count, 0, "nor counted");
    hand_end(&hand, held);
    hand_free(&hand);
}

static void test_index(void) {
    struct hand hand;
    bool all = true;
    hand_init(&hand);
    for (int i = 1; i <= 200; i++)
        add(&hand, i, i % 2, i);
    for (int i = 1; i <= 200; i++) {
        struct item item = make_item(i, i % 2, i);
        struct held *held = hand_find(&hand, i % 2, item.id);
        all &= held && held->item.remaining == i && !hand_find(&hand, 1 - i % 2, item.id);
    }
    ok(all, "each item is found, by its own node only");
    for (int i = 1; i <= 200; i += 3)
        hand_drop(&hand, hand_find(&hand, i % 2, make_item(i, 0, 1).id));
    all = true;
    for (int i = 1; i <= 200; i++)
        all &= (hand_find(&hand, i % 2, make_item(i, 0, 1).id) != NULL) == (i % 3 != 1);
    ok(all, "each that was dropped is gone, and no other");
    hand_free(&hand);
}

/* hand_waiting against a walk over what was added, for one cap. */
static void check_load(const struct hand *hand, int node, int64_t cap) {
    const struct held *held;
    struct hand_load wanted = {0};
    TAILQ_FOREACH(held, &hand->fed, next_fed) {
        if (held->item.node == node)
            hand_count(&wanted, &held->item, cap);
    }
    struct hand_load got = hand_waiting(hand, node, cap);
    ok(got.items == wanted.items && got.iterations == wanted.iterations &&
           got.long_items == wanted.long_items,
       "node %d up to %lld adds up", node, (long long)cap);
}

static void test_load(void) {
    struct hand hand;
    hand_init(&hand);
    for (int i = 0; i < 250; i++)
        add(&hand, i, i % 3, (int64_t)1 << (i % 54) | i);
    for (int node = 0; node < 4; node++) {
        check_load(&hand, node, 1);
        check_load(&hand, node, 1000);
        check_load(&hand, node, 1024);
        check_load(&hand, node, 1000000007);
    }
    for (int i = 0; i < 100; i++)
        next(&hand, i % 2 == 0);
    check_load(&hand, 1, 1000000);
    hand_free(&hand);
}

int main(void) {
    test_order();
    test_give_back();
    test_index();
    test_load();
    return done_testing();
}
