#include "queue.h"

#include <string.h>

#include "queue_peers.h"

const int queue_span_seconds[QUEUE_SPANS] = {1, 10, 60};

const char *item_state_name(enum item_state state) {
    static const char *const names[ITEM_STATES] = {"waiting", "leased", "done", "pulled",
                                                   "cancelled"};
    return names[state];
}

bool queue_is_current(const struct queue_identity *met, const struct queue_identity *now) {
    bool same = memcmp(met->database.bytes, now->database.bytes, ID_SIZE) == 0;
    return now->epoch > met->epoch || (same && now->epoch == met->epoch);
}
