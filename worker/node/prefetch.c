/* How much may be in hand, the prefetch, and how much is. */

#include "clock.h"
#include "node_parts.h"

enum {
    LEASE_SHARE = 4,       /* work for a quarter of the lease's time is kept in hand */
    LOOK_ITEMS_A_MS = 1024 /* a count of 1024 items is good for a millisecond, of 2048 for two */
};

int64_t node_prefetch_iterations(const struct node *node) {
    double target =
        (double)mill_rate(node->shared->mill) * (double)node->ttl_ms / 1000 / LEASE_SHARE;
    return target < 1 ? 1 : target > (double)ITERATIONS_MAX ? ITERATIONS_MAX : (int64_t)target;
}

int64_t node_lane_part(const struct node *node) {
    return node_prefetch_iterations(node) / mill_lanes(node->shared->mill) + 1;
}

const struct mill_load *node_load(struct node *node) {
    int64_t now_ms = clock_steady_ms();
    if (!node->load_known || now_ms - node->load_ms >= node->load.all_items / LOOK_ITEMS_A_MS) {
        node->load = mill_load(node->shared->mill, node->index, node_lane_part(node));
        node->load_ms = now_ms;
        node->load_known = true;
    }
    return &node->load;
}

void node_load_changed(struct node *node) {
    node->load_known = false;
}
