#include "bench.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels.h"

/* Each figure is the median of REPEATS runs of about RUN_NS, which are seconds apart, so that a
 * busy moment of the machine is seen by few runs of many figures and not by all runs of one. */
enum { REPEATS = 15, RUN_NS = 1500000, LINES_MAX = 20 * LANES_MAX };

/* How often to measure additions, how many rounds at a time, how many in a round. */
enum { CALIBRATION_REPEATS = 50, CALIBRATION_ROUNDS = 1000, CALIBRATION_ADDS = 64 };

/* Operations that 8 chains of an iteration need at least with AVX-512, see sha512_constants.h. */
enum { OPERATIONS = 1986, OPERATION_LANES = 8 };

static double now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int by_size(const void *one, const void *other) {
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

/* Sorts and returns the middle one. */
static double median(double *values) {
    qsort(values, REPEATS, sizeof *values, by_size);
    return values[REPEATS / 2];
}

/*
 * A processor tells no program its clock; but an addition that waits for the one before takes one
 * cycle on every processor that matters here. 64 of them in a row, a thousand times.
 */
static double cycle_ns(void) {
    double start = now_ns();
    uint64_t value = 1;
    for (int i = 0; i < CALIBRATION_ROUNDS; i++) {
#if defined __x86_64__
        __asm__ volatile(".rept %c1\n\tadd %0, %0\n\t.endr" : "+r"(value) : "i"(CALIBRATION_ADDS));
#elif defined __aarch64__
        __asm__ volatile(".rept %c1\n\tadd %0, %0, %0\n\t.endr"
                         : "+r"(value)
                         : "i"(CALIBRATION_ADDS));
#else
        return 0;
#endif
    }
    return (now_ns() - start) / ((double)CALIBRATION_ROUNDS * CALIBRATION_ADDS);
}

#ifdef __x86_64__
/* Nanoseconds of 512-bit additions that do not wait for each other, each. */
__attribute__((target("avx512f"))) static double wide_add_ns(void) {
    double start = now_ns();
    for (int i = 0; i < CALIBRATION_ROUNDS; i++) {
        __asm__ volatile(".rept 8\n\t"
                         "vpaddq %%zmm0, %%zmm0, %%zmm0\n\tvpaddq %%zmm1, %%zmm1, %%zmm1\n\t"
                         "vpaddq %%zmm2, %%zmm2, %%zmm2\n\tvpaddq %%zmm3, %%zmm3, %%zmm3\n\t"
                         "vpaddq %%zmm4, %%zmm4, %%zmm4\n\tvpaddq %%zmm5, %%zmm5, %%zmm5\n\t"
                         "vpaddq %%zmm6, %%zmm6, %%zmm6\n\tvpaddq %%zmm7, %%zmm7, %%zmm7\n\t"
                         ".endr" ::
                             : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7");
    }
    return (now_ns() - start) / ((double)CALIBRATION_ROUNDS * 64);
}

/* How many of them the processor does in a cycle: 4 on Zen 5, 2 where its units are half as wide or
 * half as many. The least times count, as all that disturbs makes them longer. */
static int wide_adds_per_cycle(void) {
    double cycle = cycle_ns(), add = wide_add_ns();
    for (int i = 0; i < CALIBRATION_REPEATS; i++) {
        double other_cycle = cycle_ns(), other_add = wide_add_ns();
        cycle = other_cycle < cycle ? other_cycle : cycle;
        add = other_add < add ? other_add : add;
    }
    return (int)(cycle / add + 0.5);
}
#endif

/* The port bound: cycles a hash when every vector unit has an operation in every cycle; 0 where
 * there is no AVX-512. */
static double bound_cycles(void) {
#ifdef __x86_64__
    if (kernel_avx512_x16.usable()) {
        int adds = wide_adds_per_cycle();
        return adds > 0 ? (double)OPERATIONS / OPERATION_LANES / adds : 0;
    }
#endif
    return 0;
}

/* What is measured: takes some chains forward by so many iterations. */
struct subject {
    const char *name;
    void (*run)(const struct subject *subject, uint64_t (*chains)[CHAIN_WORDS], int count,
                int64_t iterations);
    const struct kernel *kernel;   /* for run_kernel */
    const struct kernels *kernels; /* for run_table */
};

static void run_kernel(const struct subject *subject, uint64_t (*chains)[CHAIN_WORDS], int count,
                       int64_t iterations) {
    for (int i = 0; i < count; i += subject->kernel->lanes)
        subject->kernel->run(chains + i, iterations);
}

static void run_table(const struct subject *subject, uint64_t (*chains)[CHAIN_WORDS], int count,
                      int64_t iterations) {
    kernels_run(subject->kernels, chains, count, iterations);
}

static void must(int good) {
    if (!good)
        abort();
}

/* What most programs write: init, update, final for each digest. */
static void run_evp(const struct subject *subject, uint64_t (*chains)[CHAIN_WORDS], int count,
                    int64_t iterations) {
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    (void)subject;
    for (int64_t i = 0; i < iterations * count; i++)
        must(EVP_DigestInit_ex(context, EVP_sha512(), NULL) &&
             EVP_DigestUpdate(context, chains[i % count], sizeof *chains) &&
             EVP_DigestFinal_ex(context, (unsigned char *)chains[i % count], NULL));
    EVP_MD_CTX_free(context);
}

/* The same with the function looked up before. */
static void run_evp_fetched(const struct subject *subject, uint64_t (*chains)[CHAIN_WORDS],
                            int count, int64_t iterations) {
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_MD *sha512 = EVP_MD_fetch(NULL, "SHA512", NULL);
    (void)subject;
    must(EVP_DigestInit_ex(context, sha512, NULL));
    for (int64_t i = 0; i < iterations * count; i++)
        must(EVP_DigestInit_ex(context, NULL, NULL) &&
             EVP_DigestUpdate(context, chains[i % count], sizeof *chains) &&
             EVP_DigestFinal_ex(context, (unsigned char *)chains[i % count], NULL));
    EVP_MD_CTX_free(context);
    EVP_MD_free(sha512);
}

/* OpenSSL's block function with nothing around it but the padding. It is deprecated, and used for
 * this comparison only. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
static void run_transform(const struct subject *subject, uint64_t (*chains)[CHAIN_WORDS], int count,
                          int64_t iterations) {
    SHA512_CTX initial, context;
    (void)subject;
    must(SHA512_Init(&initial));
    for (int chain = 0; chain < count; chain++) {
        unsigned char block[2 * sizeof *chains] = {[64] = 0x80, [126] = 2};
        chain_store(block, chains[chain]);
        for (int64_t i = 0; i < iterations; i++) {
            memcpy(context.h, initial.h, sizeof context.h);
            SHA512_Transform(&context, block);
            for (int at = 0; at < CHAIN_WORDS; at++) {
                uint64_t word = htobe64(context.h[at]);
                memcpy(block + at * sizeof word, &word, sizeof word);
            }
        }
        chain_load(chains[chain], block);
    }
}
#pragma GCC diagnostic pop

/* A line of the table. */
struct line {
    struct subject subject;
    int chains;
    int64_t iterations;                  /* of a run */
    double ns[REPEATS], cycles[REPEATS]; /* of an iteration of all chains */
};

struct table {
    struct line lines[LINES_MAX];
    int count;
};

static void add_line(struct table *table, struct subject subject, int chains) {
    if (table->count < LINES_MAX)
        table->lines[table->count++] = (struct line){.subject = subject, .chains = chains};
}

/* How long a run takes. */
static double run_ns(const struct line *line, int64_t iterations) {
    uint64_t rows[LANES_MAX][CHAIN_WORDS] = {{0}};
    double start = now_ns();
    line->subject.run(&line->subject, rows, line->chains, iterations);
    return now_ns() - start;
}

/* One run; the clock is measured before and after. */
static void measure(struct line *line, int repeat) {
    if (line->iterations == 0)
        line->iterations = (int64_t)(RUN_NS * 64 / (run_ns(line, 64) + 1)) + 64;
    double cycle = cycle_ns();
    double ns = run_ns(line, line->iterations) / (double)line->iterations;
    cycle = (cycle + cycle_ns()) / 2;
    line->ns[repeat] = ns;
    line->cycles[repeat] = cycle > 0 ? ns / cycle : 0;
}

static void print_line(FILE *out, struct line *line, double bound) {
    double ns = median(line->ns), cycles = median(line->cycles);
    fprintf(out, "%-12s %6d %9.1f %9.2f", line->subject.name, line->chains, ns,
            1e3 * line->chains / ns);
    if (cycles > 0)
        fprintf(out, " %8.0f", cycles);
    else
        fprintf(out, " %8s", "-");
    if (cycles > 0 && bound > 0)
        fprintf(out, " %7.1f\n", 100 * bound * line->chains / cycles);
    else
        fprintf(out, " %7s\n", "-");
}

static void print_head(FILE *out, double bound) {
    double cycle = cycle_ns();
    if (cycle > 0)
        fprintf(out, "# one core at %.2f GHz\n", 1 / cycle);
    if (bound > 0)
        fprintf(out, "# port bound of AVX-512 here: %.2f cycles a hash, %.1f million a second\n",
                bound, 1e3 / (bound * cycle));
    fprintf(out, "#name       chains   ns/iter.     M/s     cycles  %%bound\n");
}

/* Everything that there is to measure. */
static void fill(struct table *table, const struct kernels *kernels) {
    int count;
    const struct kernel *const *list = kernels_built(&count);
    add_line(table, (struct subject){"evp", run_evp, NULL, NULL}, 1);
    add_line(table, (struct subject){"evp-fetched", run_evp_fetched, NULL, NULL}, 1);
    add_line(table, (struct subject){"transform", run_transform, NULL, NULL}, 1);
    for (int i = 0; i < count; i++) {
        for (int chains = 1; list[i]->usable() && chains <= LANES_MAX; chains++)
            add_line(table, (struct subject){list[i]->name, run_kernel, list[i], NULL}, chains);
    }
    for (int chains = 1; chains <= LANES_MAX; chains++)
        add_line(table, (struct subject){"table", run_table, NULL, kernels}, chains);
}

void print_bench(FILE *out) {
    static struct table table;
    struct kernels kernels;
    char why[300];
    double bound = bound_cycles();
    if (!kernels_open(&kernels, NULL, why, sizeof why)) {
        fprintf(out, "# %s\n", why);
        return;
    }
    table.count = 0;
    fill(&table, &kernels);
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        for (int i = 0; i < table.count; i++)
            measure(&table.lines[i], repeat);
    }
    print_head(out, bound);
    for (int i = 0; i < table.count; i++)
        print_line(out, &table.lines[i], bound);
}
