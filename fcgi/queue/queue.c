#include "queue.h"

const int queue_span_seconds[QUEUE_SPANS] = {1, 10, 60};

const char *item_state_name(enum item_state state) {
    static const char *const names[ITEM_STATES] = {"waiting", "leased", "done", "pulled",
                                                   "cancelled"};
    return names[state];
}
