#ifdef __x86_64__

/* Eight chains, one register of them: what counts is the longest dependency. */
#define LANES 8
#define GROUPS 1
#define SHORT_PATH 1

#include "sha512_avx512.h"

const struct kernel kernel_avx512_x8 = {"avx512-x8", 8, run, usable, NULL};

#endif
