#ifdef __x86_64__

#include "vector/avx2.h"

/* Four chains with AVX2: 3963 operations in all. Two groups would need more than the 16 registers
 * that there are. */
#define TARGET __attribute__((target("avx2")))
#define GROUPS 1
#define SHORT_PATH 1
#define LOAD(p) (*(const VECTOR *)(p))
#define STORE(p, v) (*(VECTOR *)(p) = (v))

#include "sha512_vector.h"

static bool usable(void) {
    return __builtin_cpu_supports("avx2");
}

const struct kernel kernel_avx2_x4 = {"avx2-x4", 4, run, usable, &kernel_lone_avx2};

#endif
