/* What a mill has in hand: which chain is next, what adds up to what. */
#include "worker/mill/run_queue.h"

#include "tap.h"

/* An item of a node with an id made of number. */
static struct item make_item(int number, int node, int64_t remaining) {
    struct item item = {.remaining = remaining, .node = node};
    memset(item.id, number, sizeof item.id);
    return item;
}

static void add(struct run_queue *queue, int number, int node, int64_t remaining) {
    struct item item = make_item(number, node, remaining);
    run_queue_add(queue, &item);
}

/* The number of the next item to start; 0 when none waits. It is then finished. */
static int next(struct run_queue *queue, bool oldest) {
    struct task *task = run_queue_take(queue, oldest);
    int number = task ? task->item.id[0] : 0;
    if (task)
        run_queue_end(queue, task);
    return number;
}

static void test_order(void) {
    struct run_queue queue;
    run_queue_init(&queue);
    is_int(next(&queue, false), 0, "nothing to take from an empty hand");
    ok(!run_queue_shortest(&queue), "which has no shortest");
    add(&queue, 1, 0, 1000);
    add(&queue, 2, 0, 1023);
    add(&queue, 3, 0, 512);
    add(&queue, 4, 0, 5);
    add(&queue, 5, 0, ITERATIONS_MAX);
    add(&queue, 6, 0, 1);
    is_int(run_queue_shortest(&queue)->item.id[0], 6, "the shortest is known");
    is_int(next(&queue, false), 6, "the shortest comes first");
    is_int(next(&queue, false), 4, "then the next");
    is_int(next(&queue, false), 1, "of about the same length the one fed first");
    is_int(next(&queue, true), 2, "or else the oldest");
    is_int(next(&queue, false), 3, "then the rest");
    is_int(next(&queue, true), 5, "the longest at last");
    is_int(queue.count, 0, "and nothing is left");
    run_queue_free(&queue);
}

static void test_give_back(void) {
    struct run_queue queue;
    run_queue_init(&queue);
    for (int i = 1; i <= 3; i++)
        add(&queue, i, 0, 1000);
    struct task *task = run_queue_take(&queue, false);
    task->item.remaining = 800;
    run_queue_give_back(&queue, task);
    is_int(next(&queue, false), 1, "given back it is the first of its class");
    task = run_queue_take(&queue, true);
    is_int(task->item.id[0], 2, "then comes the second");
    run_queue_give_back(&queue, task);
    is_int(next(&queue, true), 2, "which is the oldest when it is given back");
    task = run_queue_take(&queue, false);
    run_queue_drop(&queue, task);
    ok(!run_queue_find(&queue, 0, task->item.id), "a dropped item is not found");
    is_int(queue.count, 0, "nor counted");
    run_queue_end(&queue, task);
    run_queue_free(&queue);
}

static void test_index(void) {
    struct run_queue queue;
    bool all = true;
    run_queue_init(&queue);
    for (int i = 1; i <= 200; i++)
        add(&queue, i, i % 2, i);
    for (int i = 1; i <= 200; i++) {
        struct item item = make_item(i, i % 2, i);
        struct task *task = run_queue_find(&queue, i % 2, item.id);
        all &= task && task->item.remaining == i && !run_queue_find(&queue, 1 - i % 2, item.id);
    }
    ok(all, "each item is found, by its own node only");
    for (int i = 1; i <= 200; i += 3)
        run_queue_drop(&queue, run_queue_find(&queue, i % 2, make_item(i, 0, 1).id));
    all = true;
    for (int i = 1; i <= 200; i++)
        all &= (run_queue_find(&queue, i % 2, make_item(i, 0, 1).id) != NULL) == (i % 3 != 1);
    ok(all, "each that was dropped is gone, and no other");
    run_queue_free(&queue);
}

/* run_queue_waiting against a walk over what was added, for one cap. */
static void check_load(const struct run_queue *queue, int node, int64_t cap) {
    const struct task *task;
    struct run_queue_load wanted = {0};
    TAILQ_FOREACH(task, &queue->fed, next_fed) {
        if (task->item.node == node)
            run_queue_count(&wanted, &task->item, cap);
    }
    struct run_queue_load got = run_queue_waiting(queue, node, cap);
    ok(got.items == wanted.items && got.iterations == wanted.iterations &&
           got.long_items == wanted.long_items,
       "node %d up to %lld adds up", node, (long long)cap);
}

static void test_load(void) {
    struct run_queue queue;
    run_queue_init(&queue);
    for (int i = 0; i < 250; i++)
        add(&queue, i, i % 3, (int64_t)1 << (i % 54) | i);
    for (int node = 0; node < 4; node++) {
        check_load(&queue, node, 1);
        check_load(&queue, node, 1000);
        check_load(&queue, node, 1024);
        check_load(&queue, node, 1000000007);
    }
    for (int i = 0; i < 100; i++)
        next(&queue, i % 2 == 0);
    check_load(&queue, 1, 1000000);
    run_queue_free(&queue);
}

int main(void) {
    test_order();
    test_give_back();
    test_index();
    test_load();
    return done_testing();
}
