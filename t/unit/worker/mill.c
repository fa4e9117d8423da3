/* The mill: known answers, order, checkpoints, drops, halting. */
#include "worker/mill/mill.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "exit_code.h"
#include "tap.h"
#include "worker/kernels/sha512_openssl.h"

enum { WAIT_MS = 20000, NEVER = 1000000000 };

/* An item with a chain and an id made of number. */
static struct item make_item(int number, int node, int64_t remaining) {
    struct item item = {.remaining = remaining, .node = node};
    memset(item.id, number, sizeof item.id);
    memset(item.lease, 'l', sizeof item.lease);
    memset(item.chain, number, sizeof item.chain);
    return item;
}

/* Whether an item is its number's chain, moved forward by `iterations`. */
static bool is_forward(const struct item *item, int64_t iterations) {
    uint8_t chain[1][CHAIN_SIZE];
    struct sha512_openssl *kernel = sha512_openssl_open();
    memset(chain[0], item->id[0], CHAIN_SIZE);
    sha512_openssl_chains(kernel, chain, 1, iterations);
    sha512_openssl_close(kernel);
    return memcmp(chain[0], item->chain, CHAIN_SIZE) == 0;
}

/* Collects until count items are there; false when that takes too long. */
static bool collect(struct mill *mill, struct items *finished, int count) {
    while (finished->count < count) {
        struct pollfd fd = {.fd = mill_descriptor(mill), .events = POLLIN};
        if (poll(&fd, 1, WAIT_MS) != 1)
            return false;
        mill_collect(mill, finished);
    }
    return true;
}

/* Waits until an item of the snapshot is under way. */
static bool under_way(struct mill *mill, int node, int64_t from) {
    for (int i = 0; i < WAIT_MS; i++) {
        struct items list = {0};
        mill_snapshot(mill, node, &list);
        bool moved = list.count > 0 && list.list[0].remaining < from;
        items_free(&list);
        if (moved)
            return true;
        poll(NULL, 0, 1);
    }
    return false;
}

/* The reference kernel alone, one chain a thread: what is tested is then the same on every machine.
 */
static const struct kernels *reference(void) {
    static struct kernels kernels;
    char why[200];
    if (kernels.count == 0 && !kernels_open(&kernels, "openssl", why, sizeof why))
        abort();
    return &kernels;
}

/* Every kernel that this machine can run. */
static const struct kernels *best(void) {
    static struct kernels kernels;
    char why[200];
    if (kernels.count == 0 && !kernels_open(&kernels, NULL, why, sizeof why))
        abort();
    return &kernels;
}

static void test_values(const struct kernels *kernels) {
    struct mill *mill = mill_open(2, kernels, 100);
    struct items finished = {0};
    int64_t sum = 0;
    for (int i = 1; i <= 100; i++) {
        struct item item = make_item(i, i % 2, (int64_t)i * 7);
        ok(mill_feed(mill, &item), "item %d is new", i);
    }
    ok(collect(mill, &finished, 100), "all are finished");
    for (int i = 0; i < finished.count; i++) {
        struct item *item = &finished.list[i];
        sum += item->id[0];
        if (item->remaining != 0 || item->node != item->id[0] % 2 ||
            !is_forward(item, (int64_t)item->id[0] * 7))
            ok(false, "value %d", item->id[0]);
    }
    is_int(sum, 5050, "each once, each value right");
    is_int(mill_load(mill, 0, 1).all_items, 0, "nothing is left in the mill");
    ok(mill_rate(mill) > 0, "it knows its rate");
    items_free(&finished);
    mill_close(mill);
}

static void test_order(void) {
    struct mill *mill = mill_open(1, reference(), 100);
    struct items finished = {0};
    bool ordered = true;
    for (int i = 1; i <= 20; i++) {
        struct item item = make_item(i, 0, 3000);
        mill_feed(mill, &item);
    }
    collect(mill, &finished, 20);
    for (int i = 0; i < finished.count; i++)
        ordered &= finished.list[i].id[0] == i + 1;
    ok(ordered, "one thread finishes equal items in the order of feeding");
    items_free(&finished);
    mill_close(mill);
}

static void test_long_and_short(void) {
    struct mill *mill = mill_open(2, reference(), 100);
    struct items finished = {0};
    struct item endless = make_item(1, 0, NEVER);
    mill_feed(mill, &endless);
    for (int i = 2; i <= 10; i++) {
        struct item item = make_item(i, 0, 100);
        mill_feed(mill, &item);
    }
    ok(collect(mill, &finished, 9), "short items pass a long one on another thread");
    struct mill_load load = mill_load(mill, 0, 1000);
    is_int(load.items, 1, "the long one is in hand");
    is_int(load.long_items, 1, "and counted as long");
    is_int(load.iterations, 1000, "for no more than the cap");
    is_int(mill_load(mill, 1, 1000).items, 0, "and not as another node's");
    mill_drop(mill, 0, endless.id, endless.id);
    is_int(mill_load(mill, 0, 1000).items, 1, "another lease does not drop it");
    mill_drop(mill, 1, endless.id, endless.lease);
    is_int(mill_load(mill, 0, 1000).items, 1, "another node does not either");
    mill_drop(mill, 0, endless.id, endless.lease);
    struct item last[] = {make_item(11, 0, 100), make_item(12, 0, 100)};
    mill_feed(mill, &last[0]);
    mill_feed(mill, &last[1]);
    ok(collect(mill, &finished, 11), "a dropped item makes room for others");
    is_int(mill_load(mill, 0, 1000).items, 0, "and is gone");
    items_free(&finished);
    mill_close(mill);
}

static void test_feed_again(void) {
    struct mill *mill = mill_open(1, reference(), 100);
    struct items list = {0};
    struct item item = make_item(1, 0, NEVER);
    mill_feed(mill, &item);
    ok(under_way(mill, 0, NEVER), "an item is under way");
    memset(item.lease, 'm', sizeof item.lease);
    ok(!mill_feed(mill, &item), "leased again, it is no new work");
    mill_snapshot(mill, 0, &list);
    is_int(list.count, 1, "it is held once");
    is_int(list.list[0].lease[0], 'm', "under the new lease");
    ok(list.list[0].remaining < NEVER, "with the progress it had");
    list.count = 0;
    item.remaining = 500;
    ok(mill_feed(mill, &item), "leased again with less remaining, it is new work");
    ok(collect(mill, &list, 1), "from where it came back");
    ok(is_forward(&list.list[0], 500), "to the right value");
    items_free(&list);
    mill_close(mill);
}

static void test_halt(void) {
    struct mill *mill = mill_open(2, reference(), 100);
    struct items list = {0};
    for (int i = 1; i <= 3; i++) {
        struct item item = make_item(i, 0, NEVER);
        mill_feed(mill, &item);
    }
    ok(under_way(mill, 0, NEVER), "items are under way");
    mill_halt(mill);
    mill_collect(mill, &list);
    is_int(list.count, 0, "none has been finished");
    mill_snapshot(mill, 0, &list);
    is_int(list.count, 3, "all are there after a halt");
    ok(list.list[0].remaining < NEVER, "one has moved");
    is_int(list.list[2].remaining, NEVER, "one has not been started");
    for (int i = 0; i < 3; i++)
        ok(is_forward(&list.list[i], NEVER - list.list[i].remaining),
           "chain and remaining of item %d fit together", i + 1);
    ok(mill_rate(mill) > 0 && mill_lanes(mill) == 2, "rate and lanes are still known");
    items_free(&list);
    mill_close(mill);
}

/* Feeds endless chains, two for each lane, and waits until some are under way. */
static struct mill *full_of_endless(const struct kernels *kernels) {
    struct mill *mill = mill_open(2, kernels, 1);
    for (int i = 0; i < 2 * mill_lanes(mill); i++) {
        struct item item = make_item(i + 1, 0, NEVER);
        mill_feed(mill, &item);
    }
    ok(under_way(mill, 0, NEVER), "endless items are under way on all lanes");
    return mill;
}

static void test_preemption(const struct kernels *kernels) {
    struct mill *mill = full_of_endless(kernels);
    struct items list = {0};
    for (int i = 200; i < 220; i++) {
        struct item item = make_item(i, 1, 5000);
        mill_feed(mill, &item);
    }
    ok(collect(mill, &list, 20), "short items pass endless ones on every lane");
    bool right = true;
    for (int i = 0; i < list.count; i++)
        right &= list.list[i].node == 1 && is_forward(&list.list[i], 5000);
    ok(right, "with the right values");
    mill_halt(mill);
    list.count = 0;
    mill_snapshot(mill, 0, &list);
    is_int(list.count, 2 * mill_lanes(mill), "no endless one was lost");
    right = true;
    for (int i = 0; i < list.count; i++)
        right &= NEVER - list.list[i].remaining > 100000 ||
                 is_forward(&list.list[i], NEVER - list.list[i].remaining);
    ok(right, "their chains and remaining fit together");
    items_free(&list);
    mill_close(mill);
}

/* Short items without end, and a long one that nobody would ever start if the shortest always came
 * first. */
static void test_nothing_starves(void) {
    struct mill *mill = mill_open(1, reference(), 1);
    struct items list = {0};
    struct item item = make_item(1, 1, 20000);
    mill_feed(mill, &item);
    bool finished = false;
    for (int i = 0; i < 20000 && !finished; i++) {
        item = make_item(2 + i % 250, 0, 500);
        memcpy(item.id + 4, &i, sizeof i);
        mill_feed(mill, &item);
        if (mill_load(mill, 0, 1).items > 1000)
            collect(mill, &list, 1);
        for (int at = 0; at < list.count; at++)
            finished |= list.list[at].node == 1;
        list.count = 0;
    }
    ok(finished, "a long item is finished although shorter ones never end");
    items_free(&list);
    mill_close(mill);
}

/* A kernel that OpenSSL does not agree with. */
static void run_wrongly(uint64_t (*chains)[CHAIN_WORDS], int64_t iterations) {
    kernel_openssl.run(chains, iterations);
    chains[0][3] ^= iterations > 0;
}

/* Works with it in a process of its own, with stderr going to a descriptor. Returns the exit code:
 * that of the mill, or 42 when a value came out. */
static int work_wrongly(int check_percent, int log) {
    static const struct kernel wrong = {"upside-down", 1, run_wrongly, NULL, NULL};
    struct kernels kernels = {.list = {&wrong}, .ns = {220}, .count = 1};
    int status = 0;
    for (int i = 1; i <= LANES_MAX; i++)
        kernels.steps[i] = (struct kernels_step){&wrong, 220 * i};
    pid_t child = fork();
    if (child == 0) {
        struct items list = {0};
        dup2(log, STDERR_FILENO);
        struct mill *mill = mill_open(1, &kernels, check_percent);
        struct item item = make_item(1, 0, 10000);
        mill_feed(mill, &item);
        _exit(collect(mill, &list, 1) ? 42 : 43);
    }
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_cross_check(void) {
    char line[1000] = "";
    FILE *log = tmpfile();
    is_int(work_wrongly(0, fileno(log)), 42, "without a cross-check a wrong value comes out");
    is_int(work_wrongly(100, fileno(log)), EXIT_UNSAFE, "with one the worker ends before");
    rewind(log);
    ok(fgets(line, sizeof line, log) && strstr(line, "upside-down"), "and names the kernel");
    ok(strstr(line, "processor ") != NULL, "and the processor");
    fclose(log);
}

/* A log that takes nothing more must not keep such a worker alive. */
static void test_cross_check_without_log(void) {
    int ends[2];
    if (!ok(pipe2(ends, O_NONBLOCK) == 0, "a pipe"))
        return;
    while (write(ends[1], "", 1) == 1)
        ;
    fcntl(ends[1], F_SETFL, 0);
    is_int(work_wrongly(100, ends[1]), EXIT_UNSAFE, "nor does a log that nobody reads keep it");
    close(ends[0]);
    close(ends[1]);
}

int main(void) {
    test_cross_check();
    test_cross_check_without_log();
    test_values(reference());
    test_values(best());
    test_order();
    test_long_and_short();
    test_feed_again();
    test_halt();
    test_preemption(reference());
    test_preemption(best());
    test_nothing_starves();
    return done_testing();
}
