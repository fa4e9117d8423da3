#include "node.h"

#include <stdlib.h>

#include "clock.h"
#include "memory.h"
#include "node_parts.h"

enum {
    TTL_FIRST_MS = 40000,  /* assumed until a node has said its own */
    LEASE_SHARE = 4,       /* work for a quarter of the lease's time is kept in hand */
    LOOK_ITEMS_A_MS = 1024 /* a look at so many items may be repeated after a millisecond */
};

struct node *node_open(struct node_shared *shared, const char *url) {
    struct node *node = memory_or_end(calloc(1, sizeof *node), "a node");
    node->shared = shared;
    node->index = shared->node_count;
    node->url = url;
    node->ttl_ms = TTL_FIRST_MS;
    node->renew_ms = INT64_MAX;
    node->lease = (struct talk){.url = url, .verb = "lease"};
    node->report = (struct talk){.url = url, .verb = "report"};
    for (int i = 0; i < LEASES_AT_ONCE; i++)
        node->requests[i].node = node;
    for (int i = 0; i < REPORTS_AT_ONCE; i++)
        node->reports[i].node = node;
    shared->nodes[shared->node_count++] = node;
    return node;
}

void node_close(struct node *node) {
    leases_stop(node);
    reports_free(node);
    items_free(&node->grant.items);
    free(node);
}

void nodes_collect(struct node_shared *shared) {
    mill_collect(shared->mill, &shared->finished);
    for (int i = 0; i < shared->finished.count; i++) {
        const struct item *item = &shared->finished.list[i];
        reports_take_value(shared->nodes[item->node], item);
    }
    shared->finished.count = 0;
}

void node_hang_up(struct node *node, struct talk_call *call) {
    if (call->http)
        http_abort(node->shared->http, call->http);
    call->http = NULL;
}

void node_post(struct node *node, struct talk_call *call, const char *path, int64_t timeout_ms,
               http_done *done, void *context) {
    struct node_shared *shared = node->shared;
    struct buffer url = {0};
    buffer_printf(&url, "%s%s", node->url, path);
    struct http_request request = {.url = url.data,
                                   .bearer = shared->token,
                                   .body = shared->body.data,
                                   .length = shared->body.length,
                                   .timeout_ms = timeout_ms,
                                   .done = done,
                                   .context = context};
    call->sent_ms = clock_steady_ms();
    call->http = http_post(shared->http, &request);
    buffer_free(&url);
}

int64_t node_hand_iterations(const struct node *node) {
    double target =
        (double)mill_rate(node->shared->mill) * (double)node->ttl_ms / 1000 / LEASE_SHARE;
    return target < 1 ? 1 : target > (double)ITERATIONS_MAX ? ITERATIONS_MAX : (int64_t)target;
}

int64_t node_lane_part(const struct node *node) {
    return node_hand_iterations(node) / mill_lanes(node->shared->mill) + 1;
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

void node_step(struct node *node) {
    int64_t now_ms = clock_steady_ms();
    reports_step(node, now_ms);
    if (!node->draining)
        leases_step(node, now_ms);
}

int64_t node_due_ms(struct node *node) {
    int64_t lease_ms = node->draining ? INT64_MAX : leases_due_ms(node);
    int64_t report_ms = reports_due_ms(node);
    return lease_ms < report_ms ? lease_ms : report_ms;
}

void node_drain(struct node *node) {
    node->draining = true;
    leases_stop(node);
    reports_stop_renewal(node);
    reports_release_all(node);
    talk_hurry(&node->report);
}

int node_unreported(const struct node *node) {
    return node->unreported.count + reports_values(node);
}

bool node_is_busy(struct node *node) {
    return node_unreported(node) > 0 || node_load(node)->items > 0;
}

const char *node_url(const struct node *node) {
    return node->url;
}
