#ifdef __x86_64__

/* Four chains in vectors of AVX2 and one by the scalar units, which are idle meanwhile. */
#define VECTORS 4
#define SINGLES 1
#define ITERATE sha512_avx2_x5
#define VECTOR_FEATURE "avx2"

#include "sha512_hybrid.h"

const struct kernel kernel_avx2_x5 = {"avx2-x5", VECTORS + SINGLES, run, usable, &kernel_avx2_x4};

#endif
