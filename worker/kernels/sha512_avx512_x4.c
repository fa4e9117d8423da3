#ifdef __x86_64__

/* Four chains in registers of 256 bits. Where a register of 512 bits is worked on in two halves
 * (Zen 4) this takes half the time of eight chains; elsewhere the same time. */
#define LANES 4
#define GROUPS 1
#define SHORT_PATH 1

#include "sha512_avx512.h"

const struct kernel kernel_avx512_x4 = {"avx512-x4", 4, run, usable, NULL};

#endif
