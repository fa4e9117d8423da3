#ifdef __x86_64__

#include "vector/avx2.h"

#define TARGET __attribute__((target("avx2")))
#define LOAD(p) _mm256_loadu_si256((const VECTOR *)(p))
#define STORE(p, v) _mm256_storeu_si256((VECTOR *)(p), v)
#define SWAP(x) SHUFFLE(x, 0x08090a0b0c0d0e0f, 0x0001020304050607)

#include "sha512_lanes.h"

static bool usable(void) {
    return __builtin_cpu_supports("avx2");
}

const struct lane_kernel lane_kernel_avx2_x4 = {"avx2-x4", 4, run, usable};

#endif
