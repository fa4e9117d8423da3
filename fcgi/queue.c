#include "queue.h"

const char *item_state_name(enum item_state state) {
    static const char *const names[ITEM_STATES] = {"waiting", "leased", "done", "pulled",
                                                   "cancelled"};
    return names[state];
}
