#include "bench_ports.h"

#include <time.h>

/* How often to measure additions, how many rounds at a time, how many in a round. */
enum { REPEATS = 10, ROUNDS = 250, ADDS = 256 };

double bench_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/*
 * A program cannot read the processor's clock. But an addition that waits for the one before takes
 * one cycle on every processor that matters here: this times ROUNDS rows of ADDS such additions.
 */
double bench_cycle_ns(void) {
    double start = bench_now_ns();
    uint64_t value = 1;
    for (int i = 0; i < ROUNDS; i++) {
#if defined __x86_64__
        __asm__ volatile(".rept %c1\n\tadd %0, %0\n\t.endr" : "+r"(value) : "i"(ADDS));
#elif defined __aarch64__
        __asm__ volatile(".rept %c1\n\tadd %0, %0, %0\n\t.endr" : "+r"(value) : "i"(ADDS));
#else
        return 0;
#endif
    }
    return (bench_now_ns() - start) / ((double)ROUNDS * ADDS);
}

#ifdef __x86_64__

/* The least number of operations of 64 bits that an iteration takes; sha512_constants.h and the
 * files of the kernels say what they are. */
enum { OPERATIONS_SCALAR = 1755, OPERATIONS_AVX2 = 3886, OPERATIONS_AVX512 = 1986 };

/* ADDS additions that do not wait for each other, in registers whose names begin with `name`. */
#define VECTOR_ADD(name, number)                                                                   \
    "vpaddq %%" name number ", %%" name number ", %%" name number "\n\t"
#define VECTOR_ADDS(name)                                                                          \
    ".rept 32\n\t" VECTOR_ADD(name, "0") VECTOR_ADD(name, "1") VECTOR_ADD(name, "2")               \
        VECTOR_ADD(name, "3") VECTOR_ADD(name, "4") VECTOR_ADD(name, "5") VECTOR_ADD(name, "6")    \
            VECTOR_ADD(name, "7") ".endr"
#define VECTORS "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7"

static void add_scalar(void) {
    uint64_t a = 1, b = 1, c = 1, d = 1, e = 1, f = 1, g = 1, h = 1;
    __asm__ volatile(".rept 32\n\t"
                     "add %0, %0\n\tadd %1, %1\n\tadd %2, %2\n\tadd %3, %3\n\t"
                     "add %4, %4\n\tadd %5, %5\n\tadd %6, %6\n\tadd %7, %7\n\t"
                     ".endr"
                     : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f), "+r"(g),
                       "+r"(h)::"cc");
}

__attribute__((target("avx2"))) static void add_256(void) {
    __asm__ volatile(VECTOR_ADDS("ymm")::: VECTORS);
}

__attribute__((target("avx512f"))) static void add_512(void) {
    __asm__ volatile(VECTOR_ADDS("zmm")::: VECTORS);
}

/* The number of additions done in a cycle, or `before` if that is more. */
static double adds_per_cycle(void (*add)(void), double before) {
    double cycle_ns = 0, add_ns = 0;
    for (int i = 0; i < REPEATS; i++) {
        double cycle = bench_cycle_ns(), start = bench_now_ns();
        for (int round = 0; round < ROUNDS; round++)
            add();
        double one = (bench_now_ns() - start) / ((double)ROUNDS * ADDS);
        cycle_ns = i > 0 && cycle_ns < cycle ? cycle_ns : cycle;
        add_ns = i > 0 && add_ns < one ? add_ns : one;
    }
    double adds = (double)(int)(cycle_ns / add_ns + 0.5);
    return adds > before ? adds : before;
}

void bench_ports_measure(struct bench_ports *ports) {
    ports->scalar = adds_per_cycle(add_scalar, ports->scalar);
    if (__builtin_cpu_supports("avx2"))
        ports->wide_256 = adds_per_cycle(add_256, ports->wide_256);
    if (__builtin_cpu_supports("avx512f"))
        ports->wide_512 = adds_per_cycle(add_512, ports->wide_512);
}

/* Divides the operations of an iteration by the additions that registers of its width allow. */
double bench_bound_cycles(const struct bench_ports *ports, const struct kernel *kernel) {
    double adds = 0, operations = 0;
    int lanes = kernel->lanes;
    if (kernel == &kernel_lone_avx2 || kernel == &kernel_lone_avx512) {
        adds = ports->scalar;
        operations = OPERATIONS_SCALAR;
    } else if (kernel == &kernel_avx2_x4 || kernel == &kernel_avx2_x5) {
        adds = ports->wide_256;
        operations = OPERATIONS_AVX2;
    } else if (kernel == &kernel_avx512_x4) {
        adds = ports->wide_256;
        operations = OPERATIONS_AVX512;
    } else if (kernel == &kernel_avx512_x8 || kernel == &kernel_avx512_x16) {
        adds = ports->wide_512;
        operations = OPERATIONS_AVX512;
        lanes = 8;
    } else if (kernel == &kernel_avx512_x17 || kernel == &kernel_avx512_x18) {
        adds = ports->wide_512;
        operations = 2 * OPERATIONS_AVX512; /* of the vectors; single chains are for other units */
    }
    return adds > 0 ? operations / lanes / adds : 0;
}

#else

void bench_ports_measure(struct bench_ports *ports) {
    *ports = (struct bench_ports){0};
}

double bench_bound_cycles(const struct bench_ports *ports, const struct kernel *kernel) {
    (void)ports;
    (void)kernel;
    return 0;
}

#endif
