/* The kernels: equality with OpenSSL on random cases, in every lane; which of them are used. */
#include "worker/kernels/kernels.h"

#include <stdlib.h>
#include <time.h>

#include "tap.h"
#include "worker/kernels/sha512_openssl.h"

enum { CASES = 100000, SHORT = 6, LONG = 301, MOVED = 2000 };

#ifndef START_MS /* an emulator takes longer */
#define START_MS 50
#endif

/* SplitMix64: the same numbers in every run, so that a failure can be repeated. */
static uint64_t random_word(void) {
    static uint64_t state = 3;
    uint64_t word = state += 0x9e3779b97f4a7c15;
    word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9;
    word = (word ^ word >> 27) * 0x94d049bb133111eb;
    return word ^ word >> 31;
}

static int random_below(int bound) {
    return (int)(random_word() % (uint64_t)bound);
}

/* Mostly 0 to 5, one in a hundred up to 300. */
static int random_iterations(void) {
    return random_below(random_below(100) == 0 ? LONG : SHORT);
}

static void randomize(uint64_t (*chains)[CHAIN_WORDS]) {
    for (int i = 0; i < LANES_MAX * CHAIN_WORDS; i++)
        chains[i / CHAIN_WORDS][i % CHAIN_WORDS] = random_word();
    /* Words at the ends of their range now and then. */
    if (random_below(4) == 0)
        chains[random_below(LANES_MAX)][random_below(CHAIN_WORDS)] =
            random_below(2) ? UINT64_MAX : 0;
}

/* A chain moved forward by OpenSSL. */
static void forward(struct sha512_openssl *openssl, uint64_t chain[CHAIN_WORDS], int iterations) {
    uint8_t digest[1][CHAIN_SIZE];
    chain_store(digest[0], chain);
    sha512_openssl_chains(openssl, digest, 1, iterations);
    chain_load(chain, digest[0]);
}

/* One run of a kernel, in one go or stopped and resumed at a random iteration; all its lanes are
 * compared. Returns how many lanes were wrong. */
static int wrong_lanes(struct sha512_openssl *openssl, const struct kernel *kernel) {
    uint64_t wanted[LANES_MAX][CHAIN_WORDS], got[LANES_MAX][CHAIN_WORDS];
    int iterations = random_iterations(), first = random_below(iterations + 1), wrong = 0;
    randomize(wanted);
    memcpy(got, wanted, sizeof got);
    kernel->run(got, first);
    if (first < iterations)
        kernel->run(got, iterations - first);
    for (int lane = 0; lane < LANES_MAX; lane++) {
        if (lane < kernel->lanes)
            forward(openssl, wanted[lane], iterations);
        wrong += memcmp(got[lane], wanted[lane], sizeof got[lane]) != 0;
    }
    return wrong;
}

static void test_equality(struct sha512_openssl *openssl, const struct kernel *kernel) {
    int wrong = 0;
    for (int cases = 0; cases < CASES; cases += kernel->lanes)
        wrong += wrong_lanes(openssl, kernel);
    is_int(wrong, 0, kernel->name);
}

/* Chains that are stopped at random iterations and go on in a random lane of a random kernel. */
static void test_moves(struct sha512_openssl *openssl) {
    int count, wrong = 0;
    const struct kernel *const *list = kernels_built(&count);
    for (int i = 0; i < MOVED; i++) {
        uint64_t rows[LANES_MAX][CHAIN_WORDS], chain[CHAIN_WORDS], wanted[CHAIN_WORDS];
        int left = random_below(LONG);
        randomize(rows);
        memcpy(chain, rows[0], sizeof chain);
        memcpy(wanted, rows[0], sizeof wanted);
        forward(openssl, wanted, left);
        while (left > 0) {
            const struct kernel *kernel = list[random_below(count)];
            int part = 1 + random_below(left), lane = random_below(kernel->lanes);
            if (!kernel->usable())
                continue;
            memcpy(rows[lane], chain, sizeof chain);
            kernel->run(rows, part);
            memcpy(chain, rows[lane], sizeof chain);
            left -= part;
        }
        wrong += memcmp(chain, wanted, sizeof chain) != 0;
    }
    is_int(wrong, 0, "chains that go from kernel to kernel");
}

/* The chosen kernels, for every number of chains. */
static void test_runs(struct sha512_openssl *openssl, const struct kernels *kernels) {
    int wrong = 0, dearer = 0;
    for (int chains = 1; chains <= LANES_MAX; chains++) {
        for (int i = 0; i < 20; i++) {
            uint64_t wanted[LANES_MAX][CHAIN_WORDS], got[ROWS_MAX][CHAIN_WORDS] = {{0}};
            int iterations = random_iterations();
            randomize(wanted);
            memcpy(got, wanted, sizeof wanted);
            kernels_run(kernels, got, chains, iterations);
            for (int lane = 0; lane < chains; lane++) {
                forward(openssl, wanted[lane], iterations);
                wrong += memcmp(got[lane], wanted[lane], sizeof got[lane]) != 0;
            }
        }
        dearer += chains > 1 && kernels->steps[chains].ns < kernels->steps[chains - 1].ns;
    }
    is_int(wrong, 0, "kernels_run with 1 to 18 chains");
    is_int(dearer, 0, "one chain more is never expected to take less time");
}

/* Each kernel alone, as WORKER_KERNEL takes it: the last of its runs has padding. */
static void test_alone(struct sha512_openssl *openssl) {
    struct kernels kernels;
    char why[300];
    int count;
    const struct kernel *const *list = kernels_built(&count);
    for (int i = 0; i < count; i++) {
        if (list[i]->usable() &&
            ok(kernels_open(&kernels, list[i]->name, why, sizeof why), "%s alone", list[i]->name))
            test_runs(openssl, &kernels);
    }
}

/* What can go wrong with a kernel. */
static void run_wrong_late(uint64_t (*chains)[CHAIN_WORDS], int64_t iterations) {
    kernel_openssl.run(&chains[0], iterations);
    kernel_openssl.run(&chains[1], iterations);
    chains[1][7] ^= iterations >= 17;
}

static void run_beyond(uint64_t (*chains)[CHAIN_WORDS], int64_t iterations) {
    kernel_openssl.run(chains, iterations);
    chains[1][0]++;
}

static void run_not_never(uint64_t (*chains)[CHAIN_WORDS], int64_t iterations) {
    kernel_openssl.run(chains, iterations > 0 ? iterations : 1);
}

static void run_slow(uint64_t (*chains)[CHAIN_WORDS], int64_t iterations) {
    uint64_t other[CHAIN_WORDS] = {0};
    for (int lane = 0; lane < 2; lane++) {
        kernel_openssl.run(&chains[lane], iterations);
        kernel_openssl.run(&other, iterations);
    }
}

static bool yes(void) {
    return true;
}

static bool no(void) {
    return false;
}

static void test_bad_kernels(void) {
    static const struct kernel late = {"wrong-late", 2, run_wrong_late, yes, NULL},
                               beyond = {"beyond", 1, run_beyond, yes, NULL},
                               not_never = {"not-never", 1, run_not_never, yes, NULL},
                               slow = {"slow", 2, run_slow, yes, &kernel_openssl},
                               absent = {"absent", 2, NULL, no, NULL};
    const struct kernel *list[] = {&kernel_openssl, &beyond, &not_never, &late, &slow, &absent};
    struct kernels kernels;
    ok(!kernels_right(&late), "an error in one lane after many iterations is found");
    ok(!kernels_right(&beyond), "so are rows spoiled that are not the kernel's");
    ok(!kernels_right(&not_never), "and a kernel that cannot do nothing");
    ok(kernels_choose(&kernels, list, 6), "with OpenSSL among bad kernels there is a choice");
    is_int(kernels.count, 1, "of one");
    is_text(kernels_name(&kernels), "openssl", "the right one");
    ok(!kernels_choose(&kernels, list + 1, 2), "without it there is none");
}

static void test_open(void) {
    struct kernels kernels;
    char why[300] = "";
    double best_ms = 1e9;
    for (int i = 0; i < 5; i++) {
        struct timespec start, end;
        clock_gettime(CLOCK_MONOTONIC, &start);
        bool opened = kernels_open(&kernels, i ? "" : NULL, why, sizeof why);
        clock_gettime(CLOCK_MONOTONIC, &end);
        double ms =
            (double)(end.tv_sec - start.tv_sec) * 1e3 + (double)(end.tv_nsec - start.tv_nsec) / 1e6;
        best_ms = ms < best_ms ? ms : best_ms;
        if (!opened)
            ok(false, "kernels are chosen: %s", why);
    }
    ok(best_ms < START_MS, "the choice takes less than %d ms (%.1f ms)", START_MS, best_ms);
    ok(!kernels_open(&kernels, "abacus", why, sizeof why), "no kernel of that name");
    ok(strstr(why, "abacus") && strstr(why, "openssl"), "the reason names both: %s", why);
    ok(kernels_open(&kernels, "openssl", why, sizeof why), "a kernel by name");
    is_text(kernels_name(&kernels), "openssl", "is used");
    is_text(kernels.steps[1].kernel->name, "openssl", "for any number of chains");
}

/* The order of bytes in a row. */
static void test_layout(void) {
    uint8_t digest[CHAIN_SIZE];
    uint64_t chain[CHAIN_WORDS] = {0};
    for (int i = 0; i < CHAIN_SIZE; i++)
        digest[i] = (uint8_t)i;
    chain_load(chain, digest);
    ok(chain[0] == 0x0001020304050607 && chain[7] == 0x38393a3b3c3d3e3f, "words are big endian");
    memset(digest, 0, sizeof digest);
    chain_store(digest, chain);
    ok(digest[0] == 0 && digest[1] == 1 && digest[63] == 63, "and so are they stored");
}

int main(void) {
    struct sha512_openssl *openssl = sha512_openssl_open();
    struct kernels kernels;
    char why[300];
    int count;
    const struct kernel *const *list = kernels_built(&count);
    test_layout();
    for (int i = 0; i < count; i++) {
        if (list[i]->usable())
            test_equality(openssl, list[i]);
        else
            ok(true, "%s # SKIP not on this processor", list[i]->name);
    }
    test_moves(openssl);
    if (ok(kernels_open(&kernels, NULL, why, sizeof why), "kernels are chosen"))
        test_runs(openssl, &kernels);
    test_alone(openssl);
    test_bad_kernels();
    test_open();
    sha512_openssl_close(openssl);
    return done_testing();
}
