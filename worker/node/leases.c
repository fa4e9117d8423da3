/* A node's lease requests: how much to ask for, when, and what to do with what comes. */
#include "clock.h"
#include "log.h"
#include "node_parts.h"

enum {
    WAIT_SECONDS = 25, /* how long a node may hold the first lease request */
    WAIT_TIMEOUT_MS = 40000,
    TIMEOUT_MS = 15000, /* for the requests that do not wait */
    LOOKS = 32,         /* looks at a full prefetch in a lease's time, at least */
    LOOK_MS = 5,        /* least time between them, however short the lease */
    EARLY_MS = 1000,    /* an empty answer sooner than this is followed by a back-off */
    OPEN_PART = 8       /* one part in this many of the prefetch is for short chains only */
};

static void lease_done(void *context, const struct http_reply *reply);

/* Whether a request is the one that waits at the node for items. */
static bool waits(const struct lease_request *request) {
    return request == &request->node->requests[0];
}

/* What the open requests may bring. */
struct outstanding {
    int requests;
    int items;
    int64_t iterations;
};

static struct outstanding sum_outstanding(const struct node *node) {
    struct outstanding sum = {0};
    for (int i = 0; i < LEASES_AT_ONCE; i++) {
        const struct lease_request *request = &node->requests[i];
        if (!request->open)
            continue;
        sum.requests++;
        sum.items += request->items;
        sum.iterations += request->iterations;
    }
    return sum;
}

/* A node's part of the prefetch that is neither in hand nor requested yet. */
struct room {
    int items;
    int64_t iterations;
    bool low; /* time to ask: at most half of the part is in hand, and a request's worth is free */
};

/* The iterations kept free for short chains beside long ones, so that no lane idles. None once long
 * chains outnumber the lanes by 1 / OPEN_PART: the node may have only long ones. */
static int64_t open_iterations(const struct node *node, const struct mill_load *load) {
    int lanes = mill_lanes(node->shared->mill);
    if (load->long_items >= lanes + (lanes + OPEN_PART - 1) / OPEN_PART)
        return 0;
    return node_prefetch_iterations(node) / node->shared->node_count / OPEN_PART;
}

/* Computes the room. Each node may fill an equal part of the prefetch. A long chain counts as one
 * lane's part, and reduces its node's part by that, since it will stay. Requested items and
 * unreported values count as in hand. */
static struct room find_room(const struct node *node, const struct mill_load *load,
                             const struct outstanding *outstanding) {
    int nodes = node->shared->node_count;
    int64_t prefetch = node_prefetch_iterations(node);
    int64_t long_part = load->long_items * node_lane_part(node);
    int64_t open = open_iterations(node, load);
    int64_t share = prefetch / nodes - long_part > open ? prefetch / nodes - long_part : open;
    int64_t used = load->iterations - long_part;
    int64_t left = prefetch - load->all_iterations > open - used ? prefetch - load->all_iterations
                                                                 : open - used;
    int items_share = PREFETCH_ITEMS_MAX / nodes;
    int items_low = items_share / 2 < ITEMS_AT_ONCE ? items_share / 2 : ITEMS_AT_ONCE;
    struct room room = {.items =
                            items_share - load->items - node_unreported(node) - outstanding->items,
                        .iterations = share - used - outstanding->iterations};
    if (room.iterations > left - outstanding->iterations)
        room.iterations = left - outstanding->iterations;
    room.low = room.items >= items_low && used <= share / 2 &&
               room.iterations > share / LEASES_AT_ONCE / 2;
    return room;
}

/* Decides how much to ask for in one more request; false: nothing. A request asks for a part of the
 * prefetch, so that several fill it. While a lane would idle, room for one item is enough. */
static bool size_request(struct node *node, struct lease_request *request) {
    const struct mill_load *load = node_load(node);
    struct outstanding outstanding = sum_outstanding(node);
    struct room room = find_room(node, load, &outstanding);
    bool starving = load->all_items + outstanding.requests < mill_lanes(node->shared->mill);
    if (room.items < 1 || !(starving || room.low))
        return false;
    int64_t most = node_prefetch_iterations(node) / node->shared->node_count / LEASES_AT_ONCE;
    request->items = room.items < ITEMS_AT_ONCE ? room.items : ITEMS_AT_ONCE;
    request->iterations = room.iterations < most ? room.iterations : most;
    if (request->iterations < 1)
        request->iterations = 1;
    return true;
}

static void send_request(struct node *node, struct lease_request *request) {
    struct node_shared *shared = node->shared;
    shared->worker.rate = mill_rate(shared->mill);
    buffer_clear(&shared->body);
    protocol_put_lease(&shared->body, &shared->worker, request->id, request->items,
                       request->iterations, waits(request) ? WAIT_SECONDS : 0);
    node_post(node, &request->call, "/lease", waits(request) ? WAIT_TIMEOUT_MS : TIMEOUT_MS,
              lease_done, request);
}

/* Whether a new request may take this place: one always waits for items; more are of use only when
 * the node seems to have more than one lease can bring. */
static bool may_request(const struct lease_request *request) {
    return !request->open && (waits(request) || request->node->more);
}

/* Makes a new request. False when enough is in hand or asked for. */
static bool ask(struct node *node, struct lease_request *request, int64_t now_ms) {
    if (!size_request(node, request)) {
        int64_t look_ms = node->ttl_ms / LOOKS;
        node->look_again_ms = now_ms + (look_ms > LOOK_MS ? look_ms : LOOK_MS);
        return false;
    }
    uuid_generate_random(request->id);
    request->open = true;
    send_request(node, request);
    request->since_ms = request->call.sent_ms;
    return true;
}

void leases_step(struct node *node, int64_t now_ms) {
    bool enough = false;
    if (!endpoint_is_open(&node->lease, now_ms))
        return;
    for (int i = 0; i < LEASES_AT_ONCE; i++) {
        struct lease_request *request = &node->requests[i];
        if (request->open && !request->call.http)
            send_request(node, request); /* perhaps granted: the same id again */
        else if (!enough && may_request(request))
            enough = !ask(node, request, now_ms);
    }
}

int64_t leases_due_ms(const struct node *node) {
    int64_t due_ms = INT64_MAX;
    for (int i = 0; i < LEASES_AT_ONCE; i++) {
        const struct lease_request *request = &node->requests[i];
        if (request->open && !request->call.http)
            return node->lease.retry.not_before_ms;
        if (may_request(request))
            due_ms = node->look_again_ms;
    }
    return due_ms > node->lease.retry.not_before_ms ? due_ms : node->lease.retry.not_before_ms;
}

void leases_stop(struct node *node) {
    for (int i = 0; i < LEASES_AT_ONCE; i++)
        node_hang_up(node, &node->requests[i].call);
}

/* Gives a leased item to the mill. If its value is known already (an earlier lease lapsed before
 * the report came through), the value is only reported again, under the new lease. True when there
 * is new work. */
static bool take_in(struct node *node, struct item *item) {
    struct item *value = items_find(&node->unreported, item->id);
    const struct item *sent = reports_find_value(node, item->id);
    if (value) {
        uuid_copy(value->lease, item->lease);
    } else if (sent) {
        struct item again = *sent;
        uuid_copy(again.lease, item->lease);
        reports_take_value(node, &again);
    } else {
        item->node = node->index;
        return mill_feed(node->shared->mill, item);
    }
    return false;
}

/* Handles a reply without items. It comes early when the node is stopping or cannot park one more
 * worker; a request without a wait is answered at once. */
static void lease_empty(struct lease_request *request, const struct http_reply *reply) {
    struct endpoint *endpoint = &request->node->lease;
    bool early = waits(request) ? clock_steady_ms() - request->call.sent_ms < EARLY_MS
                                : reply->retry_after_ms > 0;
    int tries = endpoint->retry.tries;
    endpoint_succeeded(endpoint, &request->call);
    if (!early)
        return;
    /* With a time to come back nothing is wrong: reports may make it earlier. */
    request->node->held_up = reply->retry_after_ms > 0;
    endpoint->retry.tries = request->node->held_up ? 0 : tries;
    endpoint_back_off(endpoint, reply->retry_after_ms, "the node gives nothing, and said so early");
}

/* When to renew a lease that has just come in: a third of its time after it was granted, which was
 * after the first post of its request. The node may have held the request for long, so after a
 * single post the reply is assumed to have been under way for at most half of that third. */
static int64_t first_renewal_ms(const struct lease_request *request) {
    int64_t third_ms = request->node->ttl_ms / RENEWALS;
    int64_t since_ms = request->since_ms;
    int64_t reply_ms = clock_steady_ms() - third_ms / 2;
    if (request->call.sent_ms == since_ms && reply_ms > since_ms)
        since_ms = reply_ms;
    return since_ms + third_ms;
}

/* Whether a lease is as large as requested, so that the node may have more: it has all the items,
 * or the next one would have exceeded the iterations. With items of one length, a lease cut off so
 * has more than half of the iterations. */
static bool is_full(const struct lease_request *request, const struct items *items) {
    int64_t iterations = 0;
    for (int i = 0; i < items->count; i++)
        iterations += items->list[i].remaining;
    return items->count == request->items || iterations >= request->iterations / 2;
}

/* Takes the leased items in. If none is new, backs off, so that a node that repeats itself is not
 * polled in a loop. */
static void lease_granted(struct lease_request *request) {
    struct node *node = request->node;
    struct items *items = &node->grant.items;
    bool new_work = false;
    node->ttl_ms = node->grant.ttl_ms;
    node->more = is_full(request, items);
    nodes_collect(node->shared); /* else a finished item would be computed again */
    for (int i = 0; i < items->count; i++)
        new_work |= take_in(node, &items->list[i]);
    node_load_changed(node);
    if (!new_work)
        endpoint_back_off(&node->lease, 0, "the node gave what is in hand already");
    int64_t renew_ms = first_renewal_ms(request);
    if (renew_ms < node->renew_ms)
        node->renew_ms = renew_ms;
    log_debug("%s: leased %d items", node->url, items->count);
}

static void lease_done(void *context, const struct http_reply *reply) {
    struct lease_request *request = context;
    struct node *node = request->node;
    struct node_shared *shared = node->shared;
    const char *why;
    enum endpoint_outcome outcome =
        endpoint_judge(&node->lease, &request->call, &shared->json, reply);
    request->open = outcome == ENDPOINT_UNKNOWN;
    node->more = false;
    if (outcome != ENDPOINT_DONE)
        return;
    if (reply->status == 204) {
        lease_empty(request, reply);
    } else if (reply->status != 200) {
        endpoint_nonsense(&node->lease, &request->call, "its status is neither 200 nor 204");
    } else if (!protocol_read_grant(&shared->json, reply->body, reply->length, request->id,
                                    request->items, &node->grant, &why)) {
        endpoint_nonsense(&node->lease, &request->call, why);
    } else {
        endpoint_succeeded(&node->lease, &request->call);
        shared->drain_requested |= node->grant.drain;
        lease_granted(request);
    }
}
