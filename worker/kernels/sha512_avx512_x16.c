#ifdef __x86_64__

/* Sixteen chains, two registers of them side by side: the units are busy, what counts is the number
 * of operations, 3972 for 16 chains. A Zen 5 does four in a cycle at best, 993 cycles; a Zen 4,
 * whose units are half as wide, two: 1986 cycles, which is 94 to 95 % of what it takes; why not
 * more is said in sha512_vector.h. */
#define LANES 8
#define GROUPS 2
#define SHORT_PATH 0

#include "sha512_avx512.h"

const struct kernel kernel_avx512_x16 = {"avx512-x16", 16, run, usable, &kernel_avx512_x8};

#endif
