#include "node.h"

#include <stdlib.h>

#include "clock.h"
#include "memory.h"
#include "node_parts.h"

enum { TTL_FIRST_MS = 40000 /* assumed until a node has said its own */ };

struct node *node_open(struct node_shared *shared, const char *url) {
    struct node *node = memory_or_end(calloc(1, sizeof *node), "a node");
    node->shared = shared;
    node->index = shared->node_count;
    node->url = url;
    node->ttl_ms = TTL_FIRST_MS;
    node->renew_ms = INT64_MAX;
    node->lease = (struct endpoint){.url = url, .verb = "lease"};
    node->report = (struct endpoint){.url = url, .verb = "report"};
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
    endpoint_retry_now(&node->report);
}

bool node_is_busy(struct node *node) {
    return node_unreported(node) > 0 || node_load(node)->items > 0;
}

const char *node_url(const struct node *node) {
    return node->url;
}
