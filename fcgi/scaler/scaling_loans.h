#ifndef HASHMILL_SCALING_LOANS_H
#define HASHMILL_SCALING_LOANS_H

/* The part of the scaler's decision that is about loans; see scaling.h. */

#include "scaling.h"

/* How many machines this node may have. */
struct scaling_limits {
    int64_t staying;                /* those beyond it are sent away, and none is launched */
    int64_t leaving;                /* those beyond it are terminated even if they hold items */
    int ending;                     /* taken loans that do not count for the first, */
    int over;                       /* nor for the second */
    enum scaling_reason why_ending; /* of one of them */
};

struct scaling_limits scaling_limits(const struct scaling_snapshot *snapshot);

/* Decides about the loans, behind everything else; counted machines are there, those that are
 * launched by this decision not included. */
void scaling_decide_loans(const struct scaling_snapshot *snapshot, int counted,
                          struct scaling_decision *decision);

#endif
