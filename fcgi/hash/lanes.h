#ifndef HASHMILL_LANES_H
#define HASHMILL_LANES_H

#include "bodies.h"
#include "lane_kernel.h"

struct lanes_step {
    const struct lane_kernel *kernel;
    double ns; /* a block of all of its lanes */
};

/* Which kernel for how many bodies, and what it takes. All zeros: OpenSSL computes everything. */
struct lanes_plan {
    int lanes;                               /* that are filled, at most; 0: none */
    int least;                               /* bodies from which on lanes are used */
    double openssl_ns;                       /* a block of one body by OpenSSL */
    struct lanes_step steps[BODIES_MAX + 1]; /* by the bodies side by side, 1 to lanes */
};

/* bodies_hash by this plan. */
bool lanes_hash(const struct lanes_plan *plan, const struct body_hash *bodies, int count);

/* Whether a kernel's digests are those of OpenSSL, for one body to twice as many as it has lanes,
 * of equal and of different lengths. Takes about a millisecond. */
bool lanes_right(const struct lane_kernel *kernel);

/* Makes the plan from those kernels of a list that are usable and right, as measured. Logs an error
 * for one that is wrong. */
void lanes_choose(struct lanes_plan *plan, const struct lane_kernel *const *list, int count);

/* All *count kernels that were built, whether this machine can run them or not. */
const struct lane_kernel *const *lanes_built(int *count);

#endif
