#ifdef __x86_64__

/* Sixteen chains, two registers of them side by side: the units are busy, what counts is the number
 * of operations, 3972 for 16 chains. A Zen 5 does four in a cycle at best, 993 cycles; a Zen 4,
 * whose units are half as wide, two: 1986 cycles. gcc 12 and clang 14 reach 90 % of that bound, 93
 * % in the best runs. */
#define LANES 8
#define GROUPS 2
#define SHORT_PATH 0

#include "sha512_avx512.h"

const struct kernel kernel_avx512_x16 = {"avx512-x16", 16, run, usable, &kernel_avx512_x8};

#endif
