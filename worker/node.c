#include "node.h"

#include <stdlib.h>

#include "clock.h"
#include "log.h"
#include "talk.h"

enum {
    WAIT_SECONDS = 25, /* how long a node may hold a lease request */
    LEASE_TIMEOUT_MS = 40000,
    REPORT_TIMEOUT_MS = 15000,
    TTL_FIRST_MS = 40000, /* assumed until a node has said its own */
    LEASE_SHARE = 4,      /* work for a quarter of the lease's time is kept in hand */
    LOOKS = 32,           /* how often in a lease's time a full hand is looked at, at least */
    RENEWALS = 3,         /* a lease is renewed after a third of its time */
    GATHER_MS = 5,        /* least time between reports while there is more to come */
    EARLY_MS = 1000       /* an empty answer sooner than that calls for a pause */
};

struct node {
    struct node_shared *shared;
    int index;
    const char *url;
    int64_t ttl_ms;
    bool draining;

    struct talk lease;
    bool request_open; /* the last request's outcome is unknown: ask again under the same id */
    uuid_t request;
    int64_t request_since_ms; /* when it was first posted: what it brought may be that old */
    int request_items;
    int64_t request_iterations;
    int64_t look_again_ms; /* enough was in hand: look then how much is left */
    struct wire_grant grant;

    struct talk report;
    struct items unreported; /* values and releases, in the order of coming */
    struct items sent;       /* the report under way: checkpoints, then values and releases */
    int sent_checkpoints;    /* how many of sent are checkpoints */
    int64_t renew_ms;        /* when the leases in hand are to be renewed; INT64_MAX without any */
};

static void lease_done(void *context, const struct http_reply *reply);
static void report_done(void *context, const struct http_reply *reply);

struct node *node_open(struct node_shared *shared, int index, const char *url) {
    struct node *node = calloc(1, sizeof *node);
    if (!node) {
        log_error("out of memory for a node; give this machine more memory");
        abort();
    }
    node->shared = shared;
    node->index = index;
    node->url = url;
    node->ttl_ms = TTL_FIRST_MS;
    node->renew_ms = INT64_MAX;
    node->lease = (struct talk){.url = url, .verb = "lease"};
    node->report = (struct talk){.url = url, .verb = "report"};
    return node;
}

/* Gives up the call under way, if any. */
static void hang_up(struct node *node, struct talk *talk) {
    if (talk->call)
        http_abort(node->shared->http, talk->call);
    talk->call = NULL;
}

void node_close(struct node *node) {
    hang_up(node, &node->lease);
    hang_up(node, &node->report);
    items_free(&node->grant.items);
    items_free(&node->unreported);
    items_free(&node->sent);
    free(node);
}

/* Posts the shared body to a path of the node's. */
static void post(struct node *node, struct talk *talk, const char *path, int64_t timeout_ms,
                 http_done *done) {
    struct node_shared *shared = node->shared;
    struct buffer url = {0};
    buffer_printf(&url, "%s%s", node->url, path);
    struct http_request request = {.url = url.data,
                                   .bearer = shared->token,
                                   .body = shared->body.data,
                                   .length = shared->body.length,
                                   .timeout_ms = timeout_ms,
                                   .done = done,
                                   .context = node};
    talk->sent_ms = clock_steady_ms();
    talk->call = http_post(shared->http, &request);
    buffer_free(&url);
}

/* How many iterations may be in hand of all nodes together: what the mill does in a quarter of this
 * node's lease. */
static int64_t hand_iterations(const struct node *node) {
    double target =
        (double)mill_rate(node->shared->mill) * (double)node->ttl_ms / 1000 / LEASE_SHARE;
    return target < 1 ? 1 : target > (double)ITERATIONS_MAX ? ITERATIONS_MAX : (int64_t)target;
}

/* Decides how much to ask for now; false: nothing. Each node may fill an equal share of the hand,
 * and asks again when half of its share is used up. A chain counts for no more than one lane's part
 * of the hand, since it cannot occupy more than one lane however long it is, and takes that part
 * out of the share. As long as a lane has nothing to do, one item is always welcome. */
static bool size_request(const struct node *node, int *items, int64_t *iterations) {
    struct mill *mill = node->shared->mill;
    int64_t hand = hand_iterations(node);
    int64_t lane_part = hand / mill_lanes(mill) + 1;
    struct mill_load load = mill_load(mill, node->index, lane_part);
    int64_t long_part = load.long_items * lane_part;
    int64_t share = hand / node->shared->node_count - long_part;
    int64_t used = load.iterations - long_part;
    bool starving = load.all_items < mill_lanes(mill);
    bool low = share > 0 && used <= share / 2 && load.all_iterations < hand;
    if (node->unreported.count + node->sent.count > ITEMS_AT_ONCE ||
        load.items > ITEMS_AT_ONCE / 2 || !(starving || low))
        return false;
    int64_t room = hand - load.all_iterations;
    if (room > share - used)
        room = share - used;
    *items = ITEMS_AT_ONCE - load.items;
    *iterations = room < 1 ? 1 : room;
    return true;
}

/* Asks for a lease when there is room for one, or again under the same id when the outcome of the
 * last request is unknown: it may have been given. */
static void send_lease(struct node *node, int64_t now_ms) {
    struct node_shared *shared = node->shared;
    if (!node->request_open) {
        if (!size_request(node, &node->request_items, &node->request_iterations)) {
            node->look_again_ms = now_ms + node->ttl_ms / LOOKS;
            return;
        }
        uuid_generate_random(node->request);
    }
    bool again = node->request_open;
    node->request_open = true;
    shared->worker.rate = mill_rate(shared->mill);
    buffer_clear(&shared->body);
    wire_put_lease(&shared->body, &shared->worker, node->request, node->request_items,
                   node->request_iterations, WAIT_SECONDS);
    post(node, &node->lease, "/lease", LEASE_TIMEOUT_MS, lease_done);
    if (!again)
        node->request_since_ms = node->lease.sent_ms;
}

/* The value of an item in the report under way, or NULL. */
static const struct item *find_sent_value(const struct node *node, const uuid_t id) {
    for (int i = node->sent_checkpoints; i < node->sent.count; i++) {
        if (same_id(node->sent.list[i].id, id))
            return &node->sent.list[i];
    }
    return NULL;
}

/* Gives a leased item to the mill. An item whose value is there already, because an earlier lease
 * of it lapsed before the report came through, is only reported again, under the new lease. True
 * when there is new work. */
static bool take_in(struct node *node, struct item *item) {
    struct item *value = items_find(&node->unreported, item->id);
    const struct item *sent = find_sent_value(node, item->id);
    if (value) {
        uuid_copy(value->lease, item->lease);
    } else if (sent) {
        struct item again = *sent;
        uuid_copy(again.lease, item->lease);
        items_add(&node->unreported, &again);
    } else {
        item->node = node->index;
        return mill_feed(node->shared->mill, item);
    }
    return false;
}

/* The node has nothing now. Sooner than asked it says so when it is stopping or has no room for one
 * more waiting worker. */
static void lease_empty(struct node *node, const struct http_reply *reply) {
    bool early = clock_steady_ms() - node->lease.sent_ms < EARLY_MS;
    struct backoff backoff = node->lease.backoff;
    talk_succeeded(&node->lease);
    if (!early)
        return;
    node->lease.backoff = backoff;
    talk_pause(&node->lease, reply->retry_after_ms);
}

/* When a lease that has just come in is to be renewed. It was given no earlier than its request was
 * first posted, and if that was posted once, no earlier than the reply can have been under way,
 * which is taken to be at most half of the time to a renewal: the node may have held it for long.
 */
static int64_t first_renewal_ms(const struct node *node) {
    int64_t third_ms = node->ttl_ms / RENEWALS;
    int64_t since_ms = node->request_since_ms;
    int64_t reply_ms = clock_steady_ms() - third_ms / 2;
    if (node->lease.sent_ms == since_ms && reply_ms > since_ms)
        since_ms = reply_ms;
    return since_ms + third_ms;
}

/* Takes the leased items in. Should all of them be in hand already, there is a pause before the
 * next request, or a node that gives the same again and again would be asked without end. */
static void lease_granted(struct node *node) {
    bool new_work = false;
    node->ttl_ms = node->grant.ttl_ms;
    for (int i = 0; i < node->grant.items.count; i++)
        new_work |= take_in(node, &node->grant.items.list[i]);
    if (!new_work)
        talk_pause(&node->lease, 0);
    int64_t renew_ms = first_renewal_ms(node);
    if (renew_ms < node->renew_ms)
        node->renew_ms = renew_ms;
    log_debug("%s: leased %d items", node->url, node->grant.items.count);
}

static void lease_done(void *context, const struct http_reply *reply) {
    struct node *node = context;
    struct node_shared *shared = node->shared;
    const char *why;
    enum talk_outcome outcome = talk_judge(&node->lease, &shared->json, reply);
    node->request_open = outcome == TALK_UNKNOWN;
    if (outcome != TALK_DONE)
        return;
    if (reply->status == 204) {
        lease_empty(node, reply);
    } else if (reply->status != 200) {
        talk_nonsense(&node->lease, "its status is neither 200 nor 204");
    } else if (!wire_read_grant(&shared->json, reply->body, reply->length, node->request,
                                node->request_items, &node->grant, &why)) {
        talk_nonsense(&node->lease, why);
    } else {
        talk_succeeded(&node->lease);
        shared->drain_asked |= node->grant.drain;
        lease_granted(node);
    }
}

/* Puts the report together: checkpoints of everything in hand when a renewal is due, then as many
 * values and releases as there is room for. Leasing keeps the checkpoints within one report. */
static void compose_report(struct node *node, int64_t now_ms) {
    struct items *sent = &node->sent;
    sent->count = 0;
    if (node->renew_ms <= now_ms)
        mill_snapshot(node->shared->mill, node->index, sent);
    if (sent->count > ITEMS_AT_ONCE)
        sent->count = ITEMS_AT_ONCE;
    node->sent_checkpoints = sent->count;
    int room = ITEMS_AT_ONCE - sent->count;
    int count = node->unreported.count < room ? node->unreported.count : room;
    for (int i = 0; i < count; i++)
        items_add(sent, &node->unreported.list[i]);
    items_drop_first(&node->unreported, count);
}

/* When the next report is to go out; INT64_MAX: there is nothing to report. Values go at once when
 * nothing else is being computed, or there are many; else the stream of them is gathered a little,
 * as each report costs both sides about as much whether it has one value or a hundred. */
static int64_t report_due_ms(const struct node *node) {
    int64_t due_ms = 0;
    if (node->unreported.count == 0)
        return node->renew_ms;
    if (!node->draining && node->unreported.count < ITEMS_AT_ONCE / 2 &&
        mill_load(node->shared->mill, node->index, 1).all_items > 0)
        due_ms = node->report.sent_ms + GATHER_MS;
    return due_ms < node->renew_ms ? due_ms : node->renew_ms;
}

static void send_report(struct node *node, int64_t now_ms) {
    struct node_shared *shared = node->shared;
    if (report_due_ms(node) > now_ms)
        return;
    compose_report(node, now_ms);
    if (node->renew_ms <= now_ms)
        node->renew_ms = node->sent_checkpoints ? now_ms + node->ttl_ms / RENEWALS : INT64_MAX;
    if (node->sent.count == 0)
        return;
    shared->worker.rate = mill_rate(shared->mill);
    buffer_clear(&shared->body);
    wire_put_report(&shared->body, &shared->worker, node->sent.list, node->sent.count);
    post(node, &node->report, "/results", REPORT_TIMEOUT_MS, report_done);
}

/* The report failed: its values and releases are to be reported again, before those that came since
 * and unless they came again since; and a renewal is due at once if this was one. */
static void keep_for_later(struct node *node) {
    struct items kept = {0};
    for (int i = node->sent_checkpoints; i < node->sent.count; i++) {
        if (!items_find(&node->unreported, node->sent.list[i].id))
            items_add(&kept, &node->sent.list[i]);
    }
    items_put_back(&node->unreported, kept.list, kept.count);
    items_free(&kept);
    if (node->sent_checkpoints > 0 && !node->draining)
        node->renew_ms = 0;
}

/* The node will never take this report. Its items' leases lapse and they are computed again. */
static void give_up_report(struct node *node) {
    int values = node->sent.count - node->sent_checkpoints;
    if (values > 0)
        log_error("%s: dropped %d values that the node does not take", node->url, values);
}

/* Forgets the items that the node called lost: they belong to somebody else by now. */
static void forget_lost(struct node *node, const bool *lost) {
    int count = 0;
    for (int i = 0; i < node->sent.count; i++) {
        const struct item *item = &node->sent.list[i];
        if (!lost[i])
            continue;
        count++;
        if (i < node->sent_checkpoints)
            mill_drop(node->shared->mill, node->index, item->id, item->lease);
    }
    if (count > 0)
        log_info("%s: %d of %d reported items were not ours any more", node->url, count,
                 node->sent.count);
}

/* Reads the reply to a report that the node has done. */
static void report_taken(struct node *node, const struct http_reply *reply) {
    struct node_shared *shared = node->shared;
    bool lost[ITEMS_AT_ONCE];
    bool drain = false;
    const char *why;
    if (!wire_read_verdict(&shared->json, reply->body, reply->length, node->sent.list,
                           node->sent.count, lost, &drain, &why)) {
        talk_nonsense(&node->report, why);
        keep_for_later(node);
        return;
    }
    talk_succeeded(&node->report);
    shared->drain_asked |= drain;
    forget_lost(node, lost);
}

static void report_done(void *context, const struct http_reply *reply) {
    struct node *node = context;
    enum talk_outcome outcome = talk_judge(&node->report, &node->shared->json, reply);
    if (outcome == TALK_DONE)
        report_taken(node, reply);
    else if (outcome == TALK_REFUSED)
        give_up_report(node);
    else
        keep_for_later(node);
    node->sent.count = 0;
    node->sent_checkpoints = 0;
}

void node_take_value(struct node *node, const struct item *item) {
    items_add(&node->unreported, item);
}

void node_step(struct node *node) {
    int64_t now_ms = clock_steady_ms();
    if (talk_is_open(&node->report, now_ms))
        send_report(node, now_ms);
    if (!node->draining && talk_is_open(&node->lease, now_ms))
        send_lease(node, now_ms);
}

int64_t node_due_ms(const struct node *node) {
    int64_t due_ms = INT64_MAX;
    if (!node->draining && !node->lease.call)
        due_ms = node->lease.not_before_ms > node->look_again_ms ? node->lease.not_before_ms
                                                                 : node->look_again_ms;
    if (!node->report.call) {
        int64_t wanted_ms = report_due_ms(node);
        if (wanted_ms < node->report.not_before_ms)
            wanted_ms = node->report.not_before_ms;
        due_ms = wanted_ms < due_ms ? wanted_ms : due_ms;
    }
    return due_ms;
}

void node_drain(struct node *node) {
    node->draining = true;
    hang_up(node, &node->lease);
    int first = node->unreported.count;
    mill_snapshot(node->shared->mill, node->index, &node->unreported);
    for (int i = first; i < node->unreported.count; i++)
        node->unreported.list[i].release = true;
    node->renew_ms = INT64_MAX;
    node->report.not_before_ms = 0;
    node->report.backoff = (struct backoff){0};
}

int node_unreported(const struct node *node) {
    return node->unreported.count + node->sent.count - node->sent_checkpoints;
}

bool node_is_busy(const struct node *node) {
    return node_unreported(node) > 0 || mill_load(node->shared->mill, node->index, 1).items > 0;
}

const char *node_url(const struct node *node) {
    return node->url;
}
