/* The reports to a node: values and releases as they come, checkpoints when leases are renewed. */
#include "clock.h"
#include "log.h"
#include "node_parts.h"

enum {
    TIMEOUT_MS = 15000,
    GATHER_MS =
        2, /* a value waits for others this long at most; doubled by each report under way from */
    SWIFT_REPORTS = 5,      /* this many on */
    CHECKPOINT_REPORTS = 3, /* checkpoints go out while fewer reports than this are under way */
    /* Places in a report kept for checkpoints when values could fill all of it. */
    CHECKPOINTS_LEAST = ITEMS_AT_ONCE / 4
};

static void report_done(void *context, const struct http_reply *reply);

/* Reports that are under way. */
static int count_under_way(const struct node *node) {
    int count = 0;
    for (int i = 0; i < REPORTS_AT_ONCE; i++)
        count += node->reports[i].call.http != NULL;
    return count;
}

int reports_values(const struct node *node) {
    int count = 0;
    for (int i = 0; i < REPORTS_AT_ONCE; i++)
        count += node->reports[i].values;
    return count;
}

const struct item *reports_find_value(const struct node *node, const uuid_t id) {
    for (int i = 0; i < REPORTS_AT_ONCE; i++) {
        const struct report *report = &node->reports[i];
        for (int j = 0; j < report->values; j++) {
            if (same_id(report->sent.list[j].id, id))
                return &report->sent.list[j];
        }
    }
    return NULL;
}

static bool checkpoints_under_way(const struct node *node) {
    for (int i = 0; i < REPORTS_AT_ONCE; i++) {
        if (node->reports[i].sent.count > node->reports[i].values)
            return true;
    }
    return false;
}

static int checkpoints_waiting(const struct node *node) {
    return node->renewal.count - node->renewal_next;
}

static void clear_renewal(struct node *node) {
    node->renewal.count = 0;
    node->renewal_next = 0;
}

/* Marks a checkpoint whose item has since become a value or a release. It stays in its list, but is
 * not sent any more; if it has been sent, the node may rightly call it lost. Unmarked ones have
 * remaining > 0, like all items in the mill. */
static void mark_settled(struct item *checkpoint) {
    checkpoint->remaining = 0;
}

static bool is_settled(const struct item *checkpoint) {
    return checkpoint->remaining == 0;
}

/* Marks the checkpoints of an item in a list, from a place on. */
static void settle(struct items *list, int from, const uuid_t id) {
    for (int i = from; i < list->count; i++) {
        if (same_id(list->list[i].id, id))
            mark_settled(&list->list[i]);
    }
}

/* Queues a value or a release for reporting. No item is in a report twice: the node's verdict names
 * items by their ids alone. If an item comes again (it was leased again while its value was on the
 * way from the mill), it is reported under the later lease. */
static void add_unreported(struct node *node, const struct item *item) {
    struct item *known = items_find(&node->unreported, item->id);
    if (node->unreported.count == 0)
        node->first_ms = clock_steady_ms();
    if (known)
        uuid_copy(known->lease, item->lease);
    else
        items_add(&node->unreported, item);
}

void reports_take_value(struct node *node, const struct item *item) {
    add_unreported(node, item);
    settle(&node->renewal, node->renewal_next, item->id);
    for (int i = 0; i < REPORTS_AT_ONCE; i++)
        settle(&node->reports[i].sent, node->reports[i].values, item->id);
}

/* Queues an item that is still in the mill as a release. If its value is in a report under way,
 * queues that value again instead, under the mill's lease: a release would give finished work away.
 */
static void take_release(struct node *node, const struct item *item) {
    const struct item *sent = reports_find_value(node, item->id);
    struct item again = sent ? *sent : *item;
    uuid_copy(again.lease, item->lease);
    again.release = !sent;
    add_unreported(node, &again);
}

void reports_release_all(struct node *node) {
    struct items list = {0};
    mill_snapshot(node->shared->mill, node->index, &list);
    for (int i = 0; i < list.count; i++)
        take_release(node, &list.list[i]);
    items_free(&list);
}

void reports_stop_renewal(struct node *node) {
    node->renew_ms = INT64_MAX;
    clear_renewal(node);
    for (int i = 0; i < REPORTS_AT_ONCE; i++) {
        struct report *report = &node->reports[i];
        for (int j = report->values; j < report->sent.count; j++)
            mark_settled(&report->sent.list[j]);
    }
}

/* Takes checkpoints of everything in hand when a renewal is due, but not while checkpoints are
 * under way: one that is overtaken would be refused, and its item dropped. */
static void start_renewal(struct node *node, int64_t now_ms) {
    if (node->renew_ms > now_ms || checkpoints_waiting(node) > 0 || checkpoints_under_way(node))
        return;
    clear_renewal(node);
    mill_snapshot(node->shared->mill, node->index, &node->renewal);
    node->renew_ms = node->renewal.count > 0 ? now_ms + node->ttl_ms / RENEWALS : INT64_MAX;
}

/* When values and releases must go out: at once when they fill a report, or when nothing else is
 * being computed. Otherwise they are gathered briefly, as a report costs both sides about the same
 * with one value or twenty. While every lane is busy, and the cores' time counts most, the first
 * value waits for others; else only if a report has just gone out. Many reports under way mean a
 * long way to the node: further ones are then spread over the time of a round trip. */
static int64_t values_due_ms(struct node *node, int under_way) {
    const struct mill_load *load = node_load(node);
    if (node->draining || node->unreported.count >= ITEMS_AT_ONCE || load->all_items == 0)
        return 0;
    bool busy = load->all_items >= mill_lanes(node->shared->mill);
    int64_t since_ms = busy ? node->first_ms : node->report_ms;
    int doublings = under_way < SWIFT_REPORTS ? 0 : under_way - SWIFT_REPORTS + 1;
    return since_ms + (GATHER_MS << doublings);
}

int64_t reports_due_ms(struct node *node) {
    int under_way = count_under_way(node);
    int64_t due_ms = INT64_MAX;
    /* While the node fails, one report at a time tries; checkpoints leave places for values. */
    if (under_way >= (node->report.retry.failing ? 1 : REPORTS_AT_ONCE))
        return due_ms;
    if (node->unreported.count > 0)
        due_ms = values_due_ms(node, under_way);
    if (checkpoints_waiting(node) > 0) {
        if (under_way < CHECKPOINT_REPORTS)
            due_ms = 0;
    } else if (node->renew_ms < due_ms && !checkpoints_under_way(node)) {
        due_ms = node->renew_ms;
    }
    return due_ms > node->report.retry.not_before_ms ? due_ms : node->report.retry.not_before_ms;
}

/* Composes a report: the values and releases that wait, then checkpoints that wait. */
static void compose(struct node *node, struct report *report) {
    int room = ITEMS_AT_ONCE;
    if (checkpoints_waiting(node) > 0)
        room -= CHECKPOINTS_LEAST;
    report->sent.count = 0;
    report->values = node->unreported.count < room ? node->unreported.count : room;
    for (int i = 0; i < report->values; i++) {
        const struct item *value = &node->unreported.list[i];
        items_add(&report->sent, value);
        settle(&node->renewal, node->renewal_next, value->id);
    }
    items_drop_first(&node->unreported, report->values);
    while (checkpoints_waiting(node) > 0 && report->sent.count < ITEMS_AT_ONCE) {
        const struct item *checkpoint = &node->renewal.list[node->renewal_next++];
        if (!is_settled(checkpoint))
            items_add(&report->sent, checkpoint);
    }
}

/* Sends what is due, in a free place for a report. */
static void send_report(struct node *node, struct report *report) {
    struct node_shared *shared = node->shared;
    compose(node, report);
    if (report->sent.count == 0)
        return;
    shared->worker.rate = mill_rate(shared->mill);
    buffer_clear(&shared->body);
    protocol_put_report(&shared->body, &shared->worker, report->sent.list, report->sent.count);
    node_post(node, &report->call, "/results", TIMEOUT_MS, report_done, report);
    node->report_ms = report->call.sent_ms;
}

void reports_step(struct node *node, int64_t now_ms) {
    for (int i = 0; i < REPORTS_AT_ONCE; i++) {
        if (node->reports[i].call.http)
            continue;
        if (reports_due_ms(node) > now_ms)
            return;
        start_renewal(node, now_ms);
        send_report(node, &node->reports[i]);
    }
}

/* After a failed report, queues its values and releases again, before newer ones, except those that
 * have come again since. If it had checkpoints, a renewal is due at once. */
static void keep_for_later(struct report *report) {
    struct node *node = report->node;
    struct items kept = {0};
    int values = report->values;
    report->values = 0; /* so that only other reports are searched */
    for (int i = 0; i < values; i++) {
        const struct item *item = &report->sent.list[i];
        if (!items_find(&node->unreported, item->id) && !reports_find_value(node, item->id))
            items_add(&kept, item);
    }
    items_put_back(&node->unreported, kept.list, kept.count);
    items_free(&kept);
    if (report->sent.count > values && !node->draining) {
        clear_renewal(node);
        node->renew_ms = 0;
    }
}

/* Gives up a report that the node will never take: its items' leases lapse, and they are computed
 * again. */
static void give_up(const struct report *report) {
    if (report->values > 0)
        log_error("%s: dropped %d values that the node does not take", report->node->url,
                  report->values);
}

/* Forgets the items that the node called lost: they are no longer this worker's. */
static void forget_lost(const struct report *report, const bool *lost) {
    struct node *node = report->node;
    int count = 0;
    for (int i = 0; i < report->sent.count; i++) {
        const struct item *item = &report->sent.list[i];
        bool checkpoint = i >= report->values;
        if (!lost[i] || (checkpoint && is_settled(item)))
            continue;
        count++;
        if (checkpoint)
            mill_drop(node->shared->mill, node->index, item->id, item->lease);
    }
    if (count == 0)
        return;
    node_load_changed(node);
    log_info("%s: %d of %d reported items were not ours any more", node->url, count,
             report->sent.count);
}

/* Reads the verdict on a report that the node has processed. */
static void report_taken(struct report *report, const struct http_reply *reply) {
    struct node *node = report->node;
    struct node_shared *shared = node->shared;
    bool lost[ITEMS_AT_ONCE];
    bool drain = false;
    const char *why;
    if (!protocol_read_verdict(&shared->json, reply->body, reply->length, report->sent.list,
                               report->sent.count, lost, &drain, &why)) {
        endpoint_nonsense(&node->report, &report->call, why);
        keep_for_later(report);
        return;
    }
    endpoint_succeeded(&node->report, &report->call);
    if (node->held_up)
        endpoint_retry_now(&node->lease);
    node->held_up = false;
    shared->drain_requested |= drain;
    forget_lost(report, lost);
}

static void report_done(void *context, const struct http_reply *reply) {
    struct report *report = context;
    struct node *node = report->node;
    enum endpoint_outcome outcome =
        endpoint_judge(&node->report, &report->call, &node->shared->json, reply);
    if (outcome == ENDPOINT_DONE)
        report_taken(report, reply);
    else if (outcome == ENDPOINT_REFUSED)
        give_up(report);
    else
        keep_for_later(report);
    items_free(&report->sent); /* or each place would keep the memory of its largest report */
    report->values = 0;
}

void reports_free(struct node *node) {
    for (int i = 0; i < REPORTS_AT_ONCE; i++) {
        node_hang_up(node, &node->reports[i].call);
        items_free(&node->reports[i].sent);
    }
    items_free(&node->unreported);
    items_free(&node->renewal);
}

int node_unreported(const struct node *node) {
    return node->unreported.count + reports_values(node);
}

void nodes_collect(struct node_shared *shared) {
    mill_collect(shared->mill, &shared->finished);
    for (int i = 0; i < shared->finished.count; i++) {
        const struct item *item = &shared->finished.list[i];
        reports_take_value(shared->nodes[item->node], item);
    }
    shared->finished.count = 0;
}
