#ifdef __x86_64__

/* Sixteen chains in vectors and two by the scalar units. For processors that take two cycles for an
 * operation of 512 bits (Zen 4). */
#define VECTORS 16
#define SINGLES 2
#define ITERATE sha512_avx512_x18
#define VECTOR_FEATURE "avx512f"

#include "sha512_hybrid.h"

const struct kernel kernel_avx512_x18 = {"avx512-x18", VECTORS + SINGLES, run, usable,
                                         &kernel_avx512_x16};

#endif
