/* When this node was restored, from a backup or by --recover: has each peer tell all the items that
 * it has, some at a time, and merges them. So this node knows again of what it has forgotten and
 * they were told. */

#include <stdio.h>

#include "clock.h"
#include "log.h"
#include "peer_json.h"
#include "peering_parts.h"
#include "queue/fields.h"

enum { ITEMS_TIMEOUT_MS = 10000 };

static const char what[] = "asking it for all its items";

/* Merges the items of a reply. False with the reason. */
static bool take_items(struct link *link, char *why, size_t why_size) {
    struct peering *peering = link->peering;
    const struct json *json = &peering->json;
    struct queue_copies *items = &peering->items;
    struct peer_fault fault = {0};
    int64_t seq;
    int index;
    items->node = link->peer->node;
    if (!json_integer(json, json_member(json, 0, "after"), link->items_seq, INT64_MAX, &seq)) {
        snprintf(why, why_size, "it does not say how far it has come");
        return false;
    }
    if (!peer_json_read_items(json, json_member(json, 0, "items"), 0, QUEUE_COPIES_MAX, items,
                              &index, &fault)) {
        snprintf(why, why_size, "in items[%d] of its reply %s is not %s", index, fault.field,
                 fault.rule);
        return false;
    }
    if (queue_merge(peering->queue, items) != QUEUE_OK) {
        snprintf(why, why_size, "what it has cannot be stored here now");
        return false;
    }
    link->items_seq = seq;
    link->items_got += items->count;
    return true;
}

/* It has told everything. */
static void be_caught_up(struct link *link) {
    if (queue_caught_up(link->peering->queue, link->peer->node) != QUEUE_OK)
        return; /* its last items are asked for again */
    log_info("node %d has told all that it has since this node was restored: %lld items",
             link->peer->node, (long long)link->items_got);
    link->restored = false;
    link->items_seq = 0;
    link->items_got = 0;
}

static void take_reply(void *context, const struct http_reply *reply) {
    struct link *link = context;
    char why[300];
    bool good =
        peering_read_reply(link, reply, why, sizeof why) && take_items(link, why, sizeof why);
    link->items_asked = false;
    if (!good) {
        peering_fare_badly(link, &link->items, what, why);
        return;
    }
    peering_fare_well(link, &link->items, what);
    if (link->peering->items.count < QUEUE_COPIES_MAX)
        be_caught_up(link);
    peering_restored_turn(link->peering);
}

void peering_restored_turn(struct peering *peering) {
    for (int i = 0; i < peering->link_count && peering->known && !peering->stopping; i++) {
        struct link *link = &peering->links[i];
        if (!link->restored || link->items_asked || peering_is_away(link) ||
            link->items.not_before_ms > clock_steady_ms())
            continue;
        if (link->items_seq == 0)
            log_info("this node was restored: node %d is asked for all that it has",
                     link->peer->node);
        fields_put_integer(peering_begin(peering), "after", link->items_seq);
        link->items_asked = true;
        peering_post(link, "/peer/items", ITEMS_TIMEOUT_MS, take_reply, link);
    }
}
