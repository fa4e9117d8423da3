#ifndef HASHMILL_SCALING_LOANS_H
#define HASHMILL_SCALING_LOANS_H

/* The part of the scaler's decision that is about loans; see scaling.h. */

#include "scaling.h"

/* How many machines this node may have. */
struct scaling_limits {
    int64_t staying;                /* machines beyond it are sent away, and none is launched */
    int64_t leaving;                /* machines beyond it are terminated even if they hold items */
    int ending;                     /* taken loans that do not count for staying */
    int over;                       /* taken loans that do not count for leaving */
    enum scaling_reason why_ending; /* why one of these loans ends */
};

struct scaling_limits scaling_limits(const struct scaling_snapshot *snapshot);

/* Decides about the loans; call it last. counted machines exist, without those that this decision
 * launches. */
void scaling_decide_loans(const struct scaling_snapshot *snapshot, int counted,
                          struct scaling_decision *decision);

#endif
