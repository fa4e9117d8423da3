#ifdef __x86_64__

/* Sixteen chains in two registers side by side. The units are busy, so the number of operations
 * counts: 3972 for 16 chains. A Zen 5 does four in a cycle at best: 993 cycles. A Zen 4, whose
 * units are half as wide, does two: 1986 cycles, 94 to 95 % of the time that it takes;
 * sha512_vector.h says why not more. */
#define LANES 8
#define GROUPS 2
#define SHORT_PATH 0

#include "sha512_avx512.h"

const struct kernel kernel_avx512_x16 = {"avx512-x16", 16, run, usable, &kernel_avx512_x8};

#endif
