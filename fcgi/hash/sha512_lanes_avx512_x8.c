#ifdef __x86_64__

#define LANES 8

#include "sha512_lanes_avx512.h"

const struct lane_kernel lane_kernel_avx512_x8 = {"avx512-x8", 8, run, usable};

#endif
