/* The cross-check: bits turned over in a kernel's output are found as often as its share promises,
 * and nothing comes out of the mill any more. */
#include "worker/mill/mill.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "exit_code.h"
#include "tap.h"
#include "worker/kernels/sha512_openssl.h"
#include "worker/mill/crosscheck.h"

enum { WAIT_MS = 20000, NEVER = 1000000000, VALUES_MAX = 20000 };

/* What a mill in a process of its own tells: wrong values that came out, and whole slices. */
struct told {
    atomic_int wrong, slices;
};

static struct told *told;
static int flip_every; /* one in this many of the kernel's runs goes wrong */

/* OpenSSL's results, in which a random bit is turned over now and then. */
static void run_flipping(uint64_t (*chains)[CHAIN_WORDS], int64_t iterations) {
    kernel_openssl.run(chains, iterations);
    if (iterations > SEGMENT_ITERATIONS)
        told->slices++;
    if (iterations > 0 && random() % flip_every == 0)
        chains[0][random() % CHAIN_WORDS] ^= UINT64_C(1) << random() % 64;
}

static struct mill *open_flipping(int check_percent) {
    static const struct kernel flipping = {"flipping", 1, run_flipping, NULL, NULL};
    static struct kernels kernels = {.list = {&flipping}, .ns = {220}, .count = 1};
    for (int i = 1; i <= LANES_MAX; i++)
        kernels.steps[i] = (struct kernels_step){&flipping, 220 * i};
    return mill_open(1, &kernels, check_percent);
}

static struct item make_item(int number, int64_t remaining) {
    struct item item = {.remaining = remaining};
    memcpy(item.id, &number, sizeof number);
    memcpy(item.chain, &number, sizeof number);
    return item;
}

static bool is_right(struct sha512_openssl *openssl, const struct item *value, int64_t iterations) {
    struct item from = make_item(0, iterations);
    uint8_t chain[1][CHAIN_SIZE];
    memcpy(from.chain, value->id, sizeof(int));
    memcpy(chain[0], from.chain, CHAIN_SIZE);
    sha512_openssl_chains(openssl, chain, 1, iterations);
    return memcmp(chain[0], value->chain, CHAIN_SIZE) == 0;
}

/* Feeds one short chain after the other and counts the wrong values that come out. */
static void work_short(int check_percent) {
    struct mill *mill = open_flipping(check_percent);
    struct sha512_openssl *openssl = sha512_openssl_open();
    struct items list = {0};
    for (int i = 0; i < VALUES_MAX; i++) {
        struct pollfd fd = {.fd = mill_descriptor(mill), .events = POLLIN};
        struct item item = make_item(i, SEGMENT_ITERATIONS);
        mill_feed(mill, &item);
        if (poll(&fd, 1, WAIT_MS) != 1)
            return;
        list.count = 0;
        mill_collect(mill, &list);
        for (int at = 0; at < list.count; at++)
            told->wrong += !is_right(openssl, &list.list[at], SEGMENT_ITERATIONS);
    }
}

/* Works on a chain without end. */
static void work_long(int check_percent) {
    struct item item = make_item(1, NEVER);
    mill_feed(open_flipping(check_percent), &item);
    poll(NULL, 0, WAIT_MS);
}

/* Has up to `runs` mills do this work, one after the other, until one does not stop as it should.
 * Sets *told, and returns how many stopped. */
static int work_often(void (*work)(int), int check_percent, int runs) {
    int stopped = 0;
    *told = (struct told){.wrong = 0};
    while (stopped < runs) {
        int status = 0;
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            srandom((unsigned)stopped);
            close(STDERR_FILENO);
            work(check_percent);
            _exit(0);
        }
        waitpid(child, &status, 0);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != EXIT_UNSAFE)
            break;
        stopped++;
    }
    return stopped;
}

/* Checks a mean against a bound on either side, wide enough to be missed once in a billion. */
static void is_about(double mean, double least, double most, const char *what) {
    ok(least <= mean && mean <= most, "%s: %.2f, from %.1f to %.1f", what, mean, least, most);
}

int main(void) {
    static const struct {
        int percent, every, runs;
        double least, most;
    } rates[] = {
        {100, 1, 20, 0, 0},   {50, 1, 80, 0.2, 2.4}, {10, 1, 80, 4, 18},
        {10, 7, 40, 2.5, 22}, {1, 1, 40, 30, 260},
    };
    char what[100];
    told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (told == MAP_FAILED)
        return 1;
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        flip_every = rates[i].every;
        is_int(work_often(work_short, rates[i].percent, rates[i].runs), rates[i].runs,
               "every one stops");
        snprintf(what, sizeof what, "wrong values before it, %d %% checked, one run in %d wrong",
                 rates[i].percent, rates[i].every);
        is_about((double)told->wrong / rates[i].runs, rates[i].least, rates[i].most, what);
    }
    flip_every = 1;
    is_int(work_often(work_long, 10, 80), 80, "every one stops on a long chain");
    is_about(told->slices / 80.0, 4, 19, "half milliseconds before it, 10 % checked");
    return done_testing();
}
