#include "kernels.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "log.h"
#include "random.h"
#include "sha512_openssl.h"

/* MEASURE_NS of processor time for all kernels together, of the 50 ms that a start may take; a run
 * takes HALF_RUN_NS to twice that, so that an interruption spoils one of many. */
enum { MEASURE_NS = 25000000, HALF_RUN_NS = 30000, PASSES = 30, RUN_ITERATIONS_MAX = 4096 };

#if defined __x86_64__
enum { BUILT = 10 };
static const struct kernel *const built[BUILT] = {
    &kernel_openssl,    &kernel_lone_avx2, &kernel_lone_avx512, &kernel_avx2_x4,
    &kernel_avx512_x4,  &kernel_avx2_x5,   &kernel_avx512_x8,   &kernel_avx512_x16,
    &kernel_avx512_x17, &kernel_avx512_x18};
#elif defined __aarch64__
enum { BUILT = 5 };
static const struct kernel *const built[BUILT] = {&kernel_openssl, &kernel_arm_x1, &kernel_arm_x2,
                                                  &kernel_arm_x3, &kernel_arm_x4};
#else
enum { BUILT = 1 };
static const struct kernel *const built[BUILT] = {&kernel_openssl};
#endif

const struct kernel *const *kernels_built(int *count) {
    *count = BUILT;
    return built;
}

static double now_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* The check for one number of iterations. */
static bool right_after(const struct kernel *kernel, int64_t iterations) {
    uint64_t wanted[LANES_MAX][CHAIN_WORDS] = {{0}}, got[LANES_MAX][CHAIN_WORDS];
    random_fill(wanted, sizeof wanted);
    memcpy(got, wanted, sizeof got);
    for (int lane = 0; lane < kernel->lanes; lane++)
        kernel_openssl.run(&wanted[lane], iterations);
    kernel->run(got, iterations);
    return memcmp(got, wanted, sizeof got) == 0;
}

bool kernels_right(const struct kernel *kernel) {
    static const int iterations[] = {0, 1, 2, 3, 17, 100};
    for (size_t i = 0; i < sizeof iterations / sizeof *iterations; i++) {
        if (!right_after(kernel, iterations[i]))
            return false;
    }
    return true;
}

static double run_ns(const struct kernel *kernel, uint64_t (*chains)[CHAIN_WORDS],
                     int64_t iterations, clockid_t clock) {
    double start = now_ns(clock);
    kernel->run(chains, iterations);
    return now_ns(clock) - start;
}

/* How many iterations of a kernel a run needs. The first runs also wake up sleeping units of the
 * processor. */
static int64_t iterations_of_run(const struct kernel *kernel, uint64_t (*chains)[CHAIN_WORDS],
                                 clockid_t clock) {
    int64_t iterations = 16;
    while (iterations < RUN_ITERATIONS_MAX &&
           run_ns(kernel, chains, iterations, clock) < HALF_RUN_NS)
        iterations *= 2;
    return iterations;
}

/* Measures all kernels of the list in turns, so that a busy moment hits all of them alike. The best
 * run of each counts, as disturbances only make runs slower. False when the clock is too coarse: a
 * run took no time. */
static bool measure_by(struct kernels *kernels, clockid_t clock) {
    uint64_t chains[LANES_MAX][CHAIN_WORDS] = {{0}};
    int64_t iterations[KERNELS_MAX];
    bool good = true;
    double start = now_ns(clock);
    for (int i = 0; i < kernels->count; i++)
        iterations[i] = iterations_of_run(kernels->list[i], chains, clock);
    for (int pass = 0; pass < PASSES; pass++) {
        for (int i = 0; i < kernels->count; i++) {
            double ns = run_ns(kernels->list[i], chains, iterations[i], clock);
            ns /= (double)iterations[i];
            if (pass == 0 || ns < kernels->ns[i])
                kernels->ns[i] = ns;
            good = good && ns > 0;
        }
        if (now_ns(clock) - start > MEASURE_NS)
            break;
    }
    return good;
}

/* Measures by this thread's processor time, so that no kernel seems slow because it had to wait on
 * a busy machine. */
static void measure(struct kernels *kernels) {
    if (!measure_by(kernels, CLOCK_THREAD_CPUTIME_ID))
        measure_by(kernels, CLOCK_MONOTONIC);
}

/* The place of a kernel in the list of those in use, or -1. */
static int place_of(const struct kernels *kernels, const struct kernel *kernel) {
    for (int i = 0; i < kernels->count; i++) {
        if (kernels->list[i] == kernel)
            return i;
    }
    return -1;
}

static void leave_out(struct kernels *kernels, int place) {
    kernels->count--;
    for (int i = place; i < kernels->count; i++) {
        kernels->list[i] = kernels->list[i + 1];
        kernels->ns[i] = kernels->ns[i + 1];
    }
}

/* Leaves out kernels whose `slower` one is not slower. */
static void leave_out_slow(struct kernels *kernels) {
    for (int i = kernels->count - 1; i >= 0; i--) {
        const struct kernel *kernel = kernels->list[i];
        int other = place_of(kernels, kernel->slower);
        if (other < 0)
            continue;
        double other_ns = kernels->ns[other] * kernel->lanes / kernel->slower->lanes;
        if (kernels->ns[i] < other_ns)
            continue;
        log_info("kernel %s is not used: it takes %.0f ns for %d chains, %s %.0f ns", kernel->name,
                 kernels->ns[i], kernel->lanes, kernel->slower->name, other_ns);
        leave_out(kernels, i);
    }
}

/* Fills the table: for each number of chains, the kernel with the least sum of all steps.
 * Kernels come by lanes, so those that do the rest are no wider than this one, and all together
 * work on no more than ROWS_MAX rows: the chains, and the padding of one kernel. */
static void plan(struct kernels *kernels) {
    struct kernels_step *steps = kernels->steps;
    memset(steps, 0, sizeof kernels->steps);
    for (int i = 0; i < kernels->count; i++) {
        const struct kernel *kernel = kernels->list[i];
        for (int chains = 1; chains <= LANES_MAX; chains++) {
            int left = chains > kernel->lanes ? chains - kernel->lanes : 0;
            double ns = kernels->ns[i] + steps[left].ns;
            if (!steps[chains].kernel || ns < steps[chains].ns)
                steps[chains] = (struct kernels_step){kernel, ns};
        }
    }
}

bool kernels_choose(struct kernels *kernels, const struct kernel *const *list, int count) {
    memset(kernels, 0, sizeof *kernels);
    for (int i = 0; i < count && kernels->count < KERNELS_MAX; i++) {
        if (!list[i]->usable())
            continue;
        if (kernels_right(list[i]))
            kernels->list[kernels->count++] = list[i];
        else
            log_error("kernel %s computes SHA-512 wrongly on this machine and is not used",
                      list[i]->name);
    }
    if (kernels->count == 0)
        return false;
    measure(kernels);
    leave_out_slow(kernels);
    plan(kernels);
    return true;
}

/* The names of all built kernels that this machine can run. */
static void usable_names(char *names, size_t size) {
    size_t length = 0;
    names[0] = '\0';
    for (int i = 0; i < BUILT && length < size; i++) {
        if (built[i]->usable())
            length += (size_t)snprintf(names + length, size - length, "%s%s", length ? ", " : "",
                                       built[i]->name);
    }
}

bool kernels_open(struct kernels *kernels, const char *only, char *why, size_t why_size) {
    char names[200];
    if (!only || !*only) {
        if (kernels_choose(kernels, built, BUILT))
            return true;
        snprintf(why, why_size,
                 "no kernel computes SHA-512 rightly; take the machine out of service");
        return false;
    }
    for (int i = 0; i < BUILT; i++) {
        if (strcmp(only, built[i]->name) == 0 && kernels_choose(kernels, &built[i], 1))
            return true;
    }
    usable_names(names, sizeof names);
    snprintf(why, why_size, "kernel %s cannot be used on this machine, only one of: %s", only,
             names);
    return false;
}

void kernels_run(const struct kernels *kernels, uint64_t (*chains)[CHAIN_WORDS], int count,
                 int64_t iterations) {
    while (count > 0 && count <= LANES_MAX) {
        const struct kernel *kernel = kernels->steps[count].kernel;
        kernel->run(chains, iterations);
        chains += kernel->lanes;
        count -= kernel->lanes;
    }
}

const struct kernel *kernels_of_row(const struct kernels *kernels, int count, int row) {
    const struct kernel *kernel = kernels->steps[count].kernel;
    while (row >= kernel->lanes) {
        row -= kernel->lanes;
        count -= kernel->lanes;
        kernel = kernels->steps[count].kernel;
    }
    return kernel;
}

const char *kernels_name(const struct kernels *kernels) {
    return kernels->steps[LANES_MAX].kernel->name;
}
