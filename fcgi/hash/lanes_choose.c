#include <string.h>
#include <time.h>

#include "lanes.h"
#include "log.h"
#include "random.h"

enum {
    RIGHT_BYTES = 600, /* of a body that is compared: up to five blocks */
    RUN_BLOCKS = 64,   /* a run that is measured, some 10 us */
    PASSES = 20,       /* the fastest counts: disturbances only make one slower */
    GAIN_PERCENT = 5   /* the least for which lanes are used */
};

#ifdef __x86_64__
enum { BUILT = 3 };
static const struct lane_kernel *const built[BUILT] = {&lane_kernel_avx2_x4, &lane_kernel_avx512_x4,
                                                       &lane_kernel_avx512_x8};
#else
enum { BUILT = 0 };
static const struct lane_kernel *const built[1];
#endif

const struct lane_kernel *const *lanes_built(int *count) {
    *count = BUILT;
    return built;
}

/* A plan by which only this kernel computes. */
static struct lanes_plan plan_of(const struct lane_kernel *kernel) {
    struct lanes_plan plan = {.lanes = kernel->lanes, .least = 1, .openssl_ns = 1};
    for (int i = 1; i <= kernel->lanes; i++)
        plan.steps[i].kernel = kernel;
    return plan;
}

/* The check for bodies of these lengths. */
static bool right_for(const struct lane_kernel *kernel, const uint8_t (*bytes)[RIGHT_BYTES],
                      const size_t *lengths, int count) {
    static const struct lanes_plan openssl;
    struct lanes_plan plan = plan_of(kernel);
    struct body_hash bodies[2 * BODIES_MAX] = {{0}};
    uint8_t got[2 * BODIES_MAX][64] = {{0}}, wanted[2 * BODIES_MAX][64] = {{0}};
    for (int i = 0; i < count; i++)
        bodies[i] = (struct body_hash){bytes[i], lengths[i], got[i]};
    if (!lanes_hash(&plan, bodies, count))
        return false;
    for (int i = 0; i < count; i++)
        bodies[i].digest = wanted[i];
    return lanes_hash(&openssl, bodies, count) &&
           memcmp(got, wanted, (size_t)count * sizeof *got) == 0;
}

bool lanes_right(const struct lane_kernel *kernel) {
    /* Around the ends of one block and two, where padding takes one more. */
    static const size_t edges[] = {0, 1, 111, 112, 127, 128, 129, 239, 240, 256, 599, 600};
    uint8_t bytes[2 * BODIES_MAX][RIGHT_BYTES];
    size_t lengths[2 * BODIES_MAX];
    random_fill(bytes, sizeof bytes);
    for (int count = 1; count <= 2 * kernel->lanes; count++) {
        for (int i = 0; i < count; i++)
            lengths[i] = RIGHT_BYTES;
        if (!right_for(kernel, bytes, lengths, count))
            return false;
        for (int i = 0; i < count; i++)
            lengths[i] = edges[(size_t)(i + count) % (sizeof edges / sizeof *edges)];
        if (!right_for(kernel, bytes, lengths, count))
            return false;
    }
    return true;
}

/* What a block of a run takes; NULL: OpenSSL. That all lanes read the same bytes makes no
 * difference. */
static double run_ns(const struct lane_kernel *kernel,
                     const uint8_t bytes[RUN_BLOCKS * LANE_BLOCK]) {
    static const struct lanes_plan openssl;
    uint64_t rows[BODIES_MAX][LANE_WORDS] = {{0}};
    const uint8_t *next[BODIES_MAX];
    uint8_t digest[64];
    struct body_hash body = {bytes, (RUN_BLOCKS - 1) * LANE_BLOCK, digest};
    struct timespec start, end;
    for (int i = 0; i < BODIES_MAX; i++)
        next[i] = bytes;
    clock_gettime(CLOCK_MONOTONIC, &start);
    if (kernel)
        kernel->run(rows, next, RUN_BLOCKS);
    else
        lanes_hash(&openssl, &body, 1);
    clock_gettime(CLOCK_MONOTONIC, &end);
    double ns = (double)(end.tv_sec - start.tv_sec) * 1e9 + (double)(end.tv_nsec - start.tv_nsec);
    return ns / RUN_BLOCKS;
}

/* What a block takes with each kernel and with OpenSSL, in turns, so that a busy moment hits all of
 * them alike. The first pass wakes up sleeping units of the processor. */
static void measure(struct lanes_plan *plan, const struct lane_kernel *const *list, int count,
                    double *ns) {
    static const uint8_t bytes[RUN_BLOCKS * LANE_BLOCK];
    for (int pass = 0; pass < PASSES; pass++) {
        double openssl_ns = run_ns(NULL, bytes);
        if (pass <= 1 || openssl_ns < plan->openssl_ns)
            plan->openssl_ns = openssl_ns;
        for (int i = 0; i < count; i++) {
            double kernel_ns = run_ns(list[i], bytes);
            if (pass <= 1 || kernel_ns < ns[i])
                ns[i] = kernel_ns;
        }
    }
}

/* Whether a kernel with this many bodies is faster than OpenSSL with one after the other. */
static bool gains(const struct lanes_plan *plan, double ns, int bodies) {
    return ns * (100 + GAIN_PERCENT) < plan->openssl_ns * bodies * 100;
}

/* The fastest kernel that has lanes for so many bodies, and no more lanes than that are filled. */
static struct lanes_step fastest(const struct lane_kernel *const *list, int count, const double *ns,
                                 int bodies, int lanes) {
    struct lanes_step step = {NULL, 0};
    for (int i = 0; i < count; i++) {
        if (list[i]->lanes >= bodies && list[i]->lanes <= lanes &&
            (!step.kernel || ns[i] < step.ns))
            step = (struct lanes_step){list[i], ns[i]};
    }
    return step;
}

/* Plans to fill the lanes of the kernel that is the fastest then. */
static void fill(struct lanes_plan *plan, const struct lane_kernel *const *list, int count,
                 const double *ns) {
    double best_ns = plan->openssl_ns;
    for (int i = 0; i < count; i++) {
        int lanes = list[i]->lanes;
        if (!gains(plan, ns[i], lanes) || ns[i] / lanes >= best_ns)
            continue;
        best_ns = ns[i] / lanes;
        plan->lanes = lanes;
    }
    for (int bodies = plan->lanes; bodies > 0; bodies--) {
        struct lanes_step *step = &plan->steps[bodies];
        *step = fastest(list, count, ns, bodies, plan->lanes);
        if (bodies > 1 && gains(plan, step->ns, bodies))
            plan->least = bodies;
    }
}

void lanes_choose(struct lanes_plan *plan, const struct lane_kernel *const *list, int count) {
    const struct lane_kernel *right[LANE_KERNELS_MAX];
    double ns[LANE_KERNELS_MAX];
    int used = 0;
    memset(plan, 0, sizeof *plan);
    for (int i = 0; i < count && used < LANE_KERNELS_MAX; i++) {
        if (!list[i]->usable())
            continue;
        if (lanes_right(list[i]))
            right[used++] = list[i];
        else
            log_error("kernel %s computes SHA-512 otherwise than OpenSSL and is not used",
                      list[i]->name);
    }
    if (used == 0)
        return;
    measure(plan, right, used, ns);
    fill(plan, right, used, ns);
}
