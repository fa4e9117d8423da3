#ifdef __x86_64__

#define LANES 4

#include "sha512_lanes_avx512.h"

const struct lane_kernel lane_kernel_avx512_x4 = {"avx512-x4", 4, run, usable};

#endif
