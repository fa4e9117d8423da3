/*
 * SHA-512 of several bodies side by side: equality with OpenSSL, in every lane of every kernel; no
 * byte is read outside of a body; which kernel is used for how many bodies. With the argument
 * "speed" it only prints how fast each kernel is.
 */
#include "fcgi/hash/bodies.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fcgi/hash/lanes_choose.c"
#include "tap.h"

enum { COUNT_MAX = 20, SIZE_MAX_BYTES = 256 << 10, ALL_LENGTHS = 600, SMALL_CASES = 100000 };

/* Memory for a body, with a page before it and behind it that nobody can read. */
static uint8_t *arenas[COUNT_MAX];
static struct body_hash bodies[COUNT_MAX];
static uint8_t digests[COUNT_MAX + 1][64];

static int random_below(int bound) {
    static uint64_t state = 7;
    state = state * 6364136223846793005U + 1442695040888963407U;
    return (int)((state >> 33) % (uint64_t)bound);
}

static void open_arenas(void) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (int i = 0; i < COUNT_MAX; i++) {
        uint8_t *memory =
            mmap(NULL, SIZE_MAX_BYTES + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED || mprotect(memory + page, SIZE_MAX_BYTES, PROT_READ | PROT_WRITE))
            abort();
        arenas[i] = memory + page;
        for (int at = 0; at < SIZE_MAX_BYTES; at++)
            arenas[i][at] = (uint8_t)random_below(256);
    }
}

/* Sets body i to one of this length that ends where its memory ends, begins where that begins, or
 * lies at any address between. */
static void set_body(int i, int length) {
    int room = SIZE_MAX_BYTES - length, place = random_below(4);
    int at = place == 0 ? 0 : place == 1 ? random_below(room + 1) : room;
    bodies[i] = (struct body_hash){arenas[i] + at, (size_t)length, digests[i]};
}

/* How many of the first digests are wrong, or were written where none was asked for. */
static int wrong_digests(const struct lanes_plan *plan, int count) {
    uint8_t wanted[64];
    int wrong = 0;
    memset(digests, 0, sizeof digests);
    if (!lanes_hash(plan, bodies, count))
        return count;
    for (int i = 0; i < count; i++) {
        if (EVP_Digest(bodies[i].bytes, bodies[i].length, wanted, NULL, EVP_sha512(), NULL) != 1)
            abort();
        wrong += memcmp(digests[i], wanted, sizeof wanted) != 0;
    }
    memset(wanted, 0, sizeof wanted);
    return wrong + (memcmp(digests[count], wanted, sizeof wanted) != 0);
}

/* Each length at each place among bodies of other lengths. */
static int wrong_lengths(const struct lanes_plan *plan) {
    int wrong = 0;
    for (int length = 0; length <= ALL_LENGTHS; length++) {
        for (int count = 1; count <= BODIES_MAX + 1; count++) {
            for (int i = 0; i < count; i++)
                set_body(i, random_below(ALL_LENGTHS + 1));
            set_body(random_below(count), length);
            wrong += wrong_digests(plan, count);
        }
    }
    return wrong;
}

/* As many as there are lanes and other numbers, all of one length: the usual case. */
static int wrong_equal(const struct lanes_plan *plan) {
    int wrong = 0;
    for (int count = 1; count <= COUNT_MAX; count++) {
        for (int length = 16 << 10; length > 0; length /= 3) {
            for (int i = 0; i < count; i++)
                set_body(i, length);
            wrong += wrong_digests(plan, count);
        }
    }
    return wrong;
}

static int wrong_small(const struct lanes_plan *plan) {
    int wrong = 0;
    for (int cases = 0; cases < SMALL_CASES;) {
        int count = 1 + random_below(COUNT_MAX);
        int bound = 1 + random_below(ALL_LENGTHS);
        for (int i = 0; i < count; i++)
            set_body(i, random_below(bound));
        wrong += wrong_digests(plan, count);
        cases += count;
    }
    return wrong;
}

static int wrong_large(const struct lanes_plan *plan) {
    int wrong = 0;
    for (int i = 0; i < 40; i++) {
        int count = 1 + random_below(COUNT_MAX);
        for (int body = 0; body < count; body++)
            set_body(body, random_below(SIZE_MAX_BYTES >> random_below(12)) + 1);
        set_body(random_below(count), SIZE_MAX_BYTES);
        wrong += wrong_digests(plan, count);
    }
    return wrong;
}

static void test_plan(const struct lanes_plan *plan, const char *name) {
    is_int(wrong_lengths(plan), 0, name);
    is_int(wrong_equal(plan), 0, "bodies of one length");
    is_int(wrong_small(plan), 0, "small bodies, random lengths");
    is_int(wrong_large(plan), 0, "up to 256 KB, random lengths");
}

static void test_kernels(void) {
    static const struct lanes_plan openssl;
    int count;
    const struct lane_kernel *const *list = lanes_built(&count);
    test_plan(&openssl, "openssl");
    for (int i = 0; i < count; i++) {
        if (!list[i]->usable()) {
            ok(true, "%s # SKIP not on this processor", list[i]->name);
            continue;
        }
        struct lanes_plan plan = plan_of(list[i]);
        ok(lanes_right(list[i]), "%s is right", list[i]->name);
        test_plan(&plan, list[i]->name);
    }
}

/* More than one group of bodies, with some for OpenSSL. */
static void test_many(const struct lanes_plan *plan) {
    enum { MANY = 150 };
    static struct body_hash many[MANY];
    static uint8_t got[MANY][64], wanted[64];
    int wrong = 0;
    for (int i = 0; i < MANY; i++)
        many[i] = (struct body_hash){arenas[0] + i, (size_t)(i % 50 ? i * 7 : 100000), got[i]};
    ok(lanes_hash(plan, many, MANY), "%d bodies", MANY);
    for (int i = 0; i < MANY; i++) {
        EVP_Digest(many[i].bytes, many[i].length, wanted, NULL, EVP_sha512(), NULL);
        wrong += memcmp(got[i], wanted, sizeof wanted) != 0;
    }
    is_int(wrong, 0, "each has its own digest");
    ok(lanes_hash(plan, NULL, 0), "and none is no error");
}

/* What can go wrong with a kernel: this one computes, then something is spoiled. */
static const struct lane_kernel *good;

static void run_swapped(uint64_t (*rows)[LANE_WORDS], const uint8_t *const *next, size_t blocks) {
    uint64_t row[LANE_WORDS];
    good->run(rows, next, blocks);
    memcpy(row, rows[1], sizeof row);
    memcpy(rows[1], rows[2], sizeof row);
    memcpy(rows[2], row, sizeof row);
}

static void run_wrong_late(uint64_t (*rows)[LANE_WORDS], const uint8_t *const *next,
                           size_t blocks) {
    good->run(rows, next, blocks);
    rows[good->lanes - 1][7] ^= blocks >= 4;
}

static void run_one_block(uint64_t (*rows)[LANE_WORDS], const uint8_t *const *next, size_t blocks) {
    good->run(rows, next, blocks > 1 ? 1 : blocks);
}

static bool yes(void) {
    return true;
}

static bool no(void) {
    return false;
}

static void test_bad_kernels(void) {
    good = lanes_built(&(int){0})[0];
    if (!good || !good->usable()) {
        ok(true, "wrong kernels # SKIP there is none to spoil");
        return;
    }
    struct lane_kernel swapped = {"swapped", good->lanes, run_swapped, yes},
                       late = {"wrong-late", good->lanes, run_wrong_late, yes},
                       one_block = {"one-block", good->lanes, run_one_block, yes},
                       absent = {"absent", good->lanes, NULL, no};
    const struct lane_kernel *list[] = {&swapped, &late, &one_block, &absent};
    struct lanes_plan plan;
    ok(!lanes_right(&swapped), "digests that are another lane's are found");
    ok(!lanes_right(&late), "so is an error in one lane after some blocks");
    ok(!lanes_right(&one_block), "and a kernel that stops early");
    lanes_choose(&plan, list, 4);
    is_int(plan.lanes, 0, "with wrong and absent kernels alone no lanes are used");
    is_int(plan.least, 0, "for no number of bodies");
    set_body(0, 1000);
    set_body(1, 1000);
    is_int(wrong_digests(&plan, 2), 0, "OpenSSL computes");
}

/* Counts the blocks of all lanes together. */
static size_t blocks_run;

static void run_counting(uint64_t (*rows)[LANE_WORDS], const uint8_t *const *next, size_t blocks) {
    (void)rows, (void)next;
    blocks_run += blocks;
}

static const struct lane_kernel four = {"four", 4, run_counting, yes},
                                eight = {"eight", 8, run_counting, yes};
static const struct lane_kernel *const both[] = {&four, &eight};

/* The plan when a block takes OpenSSL 100 ns, and the two kernels so much. */
static struct lanes_plan plan_for(double four_ns, double eight_ns) {
    struct lanes_plan plan = {.openssl_ns = 100};
    double ns[] = {four_ns, eight_ns};
    fill(&plan, both, 2, ns);
    return plan;
}

static void test_fill(void) {
    struct lanes_plan plan = plan_for(110, 200);
    is_int(plan.lanes, 8, "the kernel with the most bodies in the same time is filled");
    is_int(plan.least, 2, "two bodies are worth it");
    ok(plan.steps[4].kernel == &four, "four bodies are for the narrow kernel");
    ok(plan.steps[5].kernel == &eight, "five for the wide one");
    plan = plan_for(110, 230);
    is_int(plan.lanes, 4, "a wide kernel that is slower than the narrow one twice is not used");
    plan = plan_for(90, 200);
    is_int(plan.least, 2, "one body is always OpenSSL's");
    plan = plan_for(290, 1000);
    is_int(plan.least, 4, "a gain of less than 5 percent is none");
    plan = plan_for(400, 800);
    is_int(plan.lanes, 0, "kernels that are slower than OpenSSL are not used");
    plan = (struct lanes_plan){0};
    fill(&plan, both, 2, (double[]){0, 0});
    is_int(plan.lanes, 0, "nor is any by a clock that stands still");
    plan = plan_for(450, 200);
    ok(plan.steps[2].kernel == &eight, "a narrow kernel slower than the wide one is left out");
}

/* How many blocks of these bodies go through lanes. */
static long long blocks_in_lanes(const struct lanes_plan *plan, const int *blocks, int count) {
    blocks_run = 0;
    for (int i = 0; i < count; i++)
        set_body(i, blocks[i] * LANE_BLOCK - 17);
    lanes_hash(plan, bodies, count);
    return (long long)blocks_run;
}

static void test_shares(void) {
    struct lanes_plan plan = plan_for(160, 1000);
    is_int(blocks_in_lanes(&plan, (int[]){9, 9}, 2), 9, "two equal bodies go side by side");
    is_int(blocks_in_lanes(&plan, (int[]){9}, 1), 0, "one does not");
    is_int(blocks_in_lanes(&plan, (int[]){9, 900, 9, 9}, 4), 9,
           "a body that would be alone for long is OpenSSL's");
    is_int(blocks_in_lanes(&plan, (int[]){600, 900, 9, 9}, 4), 900,
           "not if another one is about as long");
    is_int(blocks_in_lanes(&plan, (int[]){2, 900, 900, 2}, 4), 900, "or as long");
    is_int(blocks_in_lanes(&plan, (int[]){9, 900}, 2), 0,
           "two that differ much are both OpenSSL's");
    is_int(blocks_in_lanes(&plan, (int[]){9, 9, 9, 9, 9}, 5), 9,
           "so is a fifth one of five that would be alone in four lanes");
    is_int(blocks_in_lanes(&plan, (int[]){9, 9, 9, 9, 9, 9, 9}, 7), 18, "but not three more");
    is_int(blocks_in_lanes(&plan, (int[]){30, 10, 10, 10, 20, 20, 20}, 7), 30,
           "a lane that has finished a body takes the next one");
    plan = plan_for(110, 200);
    is_int(blocks_in_lanes(&plan, (int[]){100, 30, 30, 30, 30, 30}, 6), 100,
           "a body that is alone in the end is reckoned by the narrow kernel");
}

/* A plan of all usable kernels. */
static void test_bodies(void) {
    static const struct lanes_plan openssl;
    is_int(bodies_lanes(), 0, "no lanes before they are set up");
    set_body(0, 3000);
    ok(bodies_hash(bodies, 1) && wrong_digests(&openssl, 1) == 0, "OpenSSL computes");
    bodies_setup();
    ok(bodies_lanes() >= 0 && bodies_lanes() <= BODIES_MAX, "%d lanes", bodies_lanes());
    for (int i = 0; i < COUNT_MAX; i++)
        set_body(i, i * 1000);
    uint8_t got[COUNT_MAX][64];
    ok(bodies_hash(bodies, COUNT_MAX), "bodies are hashed");
    memcpy(got, digests, sizeof got);
    is_int(wrong_digests(&openssl, COUNT_MAX), 0, "as by OpenSSL");
    ok(memcmp(got, digests, sizeof got) == 0, "with the same digests");
}

/* A plan that uses each kernel where it can. */
static void test_mixed(void) {
    struct lanes_plan plan = {.least = 2, .openssl_ns = 100};
    int count;
    const struct lane_kernel *const *list = lanes_built(&count);
    for (int i = 0; i < count; i++) {
        if (!list[i]->usable())
            continue;
        for (int bodies_at_once = plan.lanes + 1; bodies_at_once <= list[i]->lanes;
             bodies_at_once++) {
            plan.steps[bodies_at_once].kernel = list[i];
            plan.steps[bodies_at_once].ns = 150;
        }
        if (list[i]->lanes > plan.lanes)
            plan.lanes = list[i]->lanes;
    }
    test_plan(&plan, "bodies that go from kernel to kernel");
    test_many(&plan);
}

static void print_speed(const char *name, const struct lanes_plan *plan, int length) {
    printf("%-10s %6d bytes:", name, length);
    for (int count = 1; count <= BODIES_MAX; count++) {
        double best_ns = 0;
        for (int i = 0; i < count; i++)
            set_body(i, length);
        for (int pass = 0; pass < 30; pass++) {
            struct timespec start, end;
            clock_gettime(CLOCK_MONOTONIC, &start);
            for (int i = 0; i < 8; i++)
                lanes_hash(plan, bodies, count);
            clock_gettime(CLOCK_MONOTONIC, &end);
            double ns =
                (double)(end.tv_sec - start.tv_sec) * 1e9 + (double)(end.tv_nsec - start.tv_nsec);
            best_ns = pass == 0 || ns < best_ns ? ns : best_ns;
        }
        printf(" %5.0f", 8e3 * count * length / best_ns);
    }
    printf(" MB/s\n");
}

/* Of 1 to 8 bodies. */
static void print_speeds(void) {
    static const struct lanes_plan openssl;
    static const int lengths[] = {200, 1000, 16 << 10, SIZE_MAX_BYTES};
    struct lanes_plan chosen;
    int count;
    const struct lane_kernel *const *list = lanes_built(&count);
    lanes_choose(&chosen, list, count);
    for (size_t at = 0; at < sizeof lengths / sizeof *lengths; at++) {
        print_speed("openssl", &openssl, lengths[at]);
        for (int i = 0; i < count; i++) {
            struct lanes_plan plan = plan_of(list[i]);
            if (list[i]->usable())
                print_speed(list[i]->name, &plan, lengths[at]);
        }
        print_speed("chosen", &chosen, lengths[at]);
    }
}

int main(int argc, char **argv) {
    open_arenas();
    if (argc == 2 && strcmp(argv[1], "speed") == 0) {
        print_speeds();
        return EXIT_SUCCESS;
    }
    test_bodies();
    test_kernels();
    test_mixed();
    test_bad_kernels();
    test_fill();
    test_shares();
    return done_testing();
}
