#include "bench.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "bench_ports.h"
#include "kernels/kernels.h"
#include "log.h"

/* Each figure is the median of REPEATS runs of about RUN_NS, spread over the whole bench, so that a
 * busy moment of the machine hits few runs of many figures and not all runs of one. */
enum { REPEATS = 15, RUN_NS = 1500000, LINES_MAX = 20 * LANES_MAX };

static int by_size(const void *one, const void *other) {
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

/* Sorts and returns the middle one. */
static double median(double *values) {
    qsort(values, REPEATS, sizeof *values, by_size);
    return values[REPEATS / 2];
}

/* What is measured: run moves count chains forward by the same number of iterations. */
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
    uint64_t rows[ROWS_MAX][CHAIN_WORDS] = {{0}}; /* a kernel alone pads the last of them */
    double start = bench_now_ns();
    line->subject.run(&line->subject, rows, line->chains, iterations);
    return bench_now_ns() - start;
}

/* One run; the clock is measured before and after. */
static void measure(struct line *line, int repeat) {
    if (line->iterations == 0)
        line->iterations = (int64_t)(RUN_NS * 64 / (run_ns(line, 64) + 1)) + 64;
    double cycle = bench_cycle_ns();
    double ns = run_ns(line, line->iterations) / (double)line->iterations;
    cycle = (cycle + bench_cycle_ns()) / 2;
    line->ns[repeat] = ns;
    line->cycles[repeat] = cycle > 0 ? ns / cycle : 0;
}

/* The port bound of a line's kernel, or of the widest where the table chooses. */
static double bound_of(const struct bench_ports *ports, const struct subject *subject) {
    if (subject->kernel)
        return bench_bound_cycles(ports, subject->kernel);
    if (subject->kernels)
        return bench_bound_cycles(ports, subject->kernels->steps[LANES_MAX].kernel);
    return 0;
}

static void print_line(FILE *out, const struct bench_ports *ports, struct line *line) {
    double ns = median(line->ns), cycles = median(line->cycles);
    double bound = bound_of(ports, &line->subject);
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

static void print_head(FILE *out, const struct bench_ports *ports, const struct kernels *kernels) {
    double cycle = bench_cycle_ns();
    if (cycle > 0)
        fprintf(out, "# one core at %.2f GHz\n", 1 / cycle);
    if (ports->scalar > 0)
        fprintf(out, "# additions in a cycle: %.0f of 64 bits, %.0f of 256, %.0f of 512\n",
                ports->scalar, ports->wide_256, ports->wide_512);
    for (int i = 0; i < kernels->count; i++) {
        double bound = bench_bound_cycles(ports, kernels->list[i]);
        if (bound > 0)
            fprintf(out, "# port bound of %s: %.2f cycles a hash, %.1f million a second\n",
                    kernels->list[i]->name, bound, 1e3 / (bound * cycle));
    }
    fprintf(out, "#name       chains   ns/iter.     M/s     cycles  %%bound\n");
}

static void add_openssl(struct table *table) {
    add_line(table, (struct subject){"evp", run_evp, NULL, NULL}, 1);
    add_line(table, (struct subject){"evp-fetched", run_evp_fetched, NULL, NULL}, 1);
    add_line(table, (struct subject){"transform", run_transform, NULL, NULL}, 1);
}

/* Each kernel with as many chains as it has lanes; or with 1 to LANES_MAX, and the table too. */
static void fill(struct table *table, const struct kernels *kernels, bool only_full) {
    int count;
    const struct kernel *const *list = kernels_built(&count);
    table->count = 0;
    add_openssl(table);
    for (int i = 0; i < count; i++) {
        int first = only_full ? list[i]->lanes : 1, last = only_full ? first : LANES_MAX;
        for (int chains = first; list[i]->usable() && chains <= last; chains++)
            add_line(table, (struct subject){list[i]->name, run_kernel, list[i], NULL}, chains);
    }
    for (int chains = 1; !only_full && chains <= LANES_MAX; chains++)
        add_line(table, (struct subject){"table", run_table, NULL, kernels}, chains);
}

bool print_bench(FILE *out, const char *extent) {
    static struct table table;
    struct kernels kernels;
    struct bench_ports ports = {0};
    char why[300];
    if (extent && strcmp(extent, "short") != 0) {
        log_error("--bench=%s: only --bench and --bench=short can be measured", extent);
        return false;
    }
    if (!kernels_open(&kernels, NULL, why, sizeof why)) {
        log_error("%s", why);
        return false;
    }
    fill(&table, &kernels, extent != NULL);
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        bench_ports_measure(&ports);
        for (int i = 0; i < table.count; i++)
            measure(&table.lines[i], repeat);
    }
    print_head(out, &ports, &kernels);
    for (int i = 0; i < table.count; i++)
        print_line(out, &ports, &table.lines[i]);
    return true;
}
