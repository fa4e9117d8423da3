#ifdef __x86_64__

/* Sixteen chains in vectors and one by the scalar units. For processors that take eight
 * instructions in a cycle and do four operations of 512 bits (Zen 5): a second scalar chain would
 * take turns from the vectors. */
#define VECTORS 16
#define SINGLES 1
#define ITERATE sha512_avx512_x17
#define VECTOR_FEATURE "avx512f"

#include "sha512_hybrid.h"

const struct kernel kernel_avx512_x17 = {"avx512-x17", VECTORS + SINGLES, run, usable,
                                         &kernel_avx512_x16};

#endif
