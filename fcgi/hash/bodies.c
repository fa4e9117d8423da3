#include "bodies.h"

#include "lanes.h"
#include "log.h"

static struct lanes_plan plan;

void bodies_setup(void) {
    int count;
    const struct lane_kernel *const *list = lanes_built(&count);
    lanes_choose(&plan, list, count);
    if (plan.lanes > 0)
        log_debug("%d and more bodies are hashed side by side, in up to %d lanes (%s)", plan.least,
                  plan.lanes, plan.steps[plan.lanes].kernel->name);
}

bool bodies_hash(const struct body_hash *bodies, int count) {
    return lanes_hash(&plan, bodies, count);
}

int bodies_lanes(void) {
    return plan.lanes;
}
