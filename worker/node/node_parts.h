#ifndef HASHMILL_NODE_PARTS_H
#define HASHMILL_NODE_PARTS_H

#include "endpoint.h"
#include "node.h"

/*
 * The insides of a conversation, for its files. Each uses only those before it: post.c posts
 * requests; prefetch.c counts what is and may be in hand; reports.c reports values, checkpoints and
 * releases; leases.c requests items and feeds them to the mill; node.c starts, steps, drains and
 * ends the conversation.
 */

enum {
    PREFETCH_ITEMS_MAX = 4096, /* items of all nodes that a worker holds */
    LEASES_AT_ONCE = 4,        /* lease requests of one node under way; the first waits for items */
    REPORTS_AT_ONCE = 8,       /* reports to one node under way */
    RENEWALS = 3               /* a lease is renewed after a third of its time */
};

/* A request for items, from its first post to the moment when its outcome is known. */
struct lease_request {
    struct node *node;
    struct endpoint_call call;
    bool open; /* its outcome is unknown: under way, or to be posted again under the same id */
    uuid_t id;
    int64_t since_ms; /* when it was first posted: the lease it brings may be this old */
    int items;
    int64_t iterations;
};

/* A report under way. */
struct report {
    struct node *node;
    struct endpoint_call call;
    struct items sent; /* values and releases, then checkpoints */
    int values;        /* how many of sent are values or releases */
};

struct node {
    struct node_shared *shared;
    int index;
    const char *url;
    int64_t ttl_ms;
    bool draining;
    struct mill_load load; /* as of the last look, when load_known */
    int64_t load_ms;       /* when that was */
    bool load_known;

    struct endpoint lease;
    struct lease_request requests[LEASES_AT_ONCE];
    bool more;             /* the last lease was as large as requested */
    bool held_up;          /* the node gives no more until something is reported */
    int64_t look_again_ms; /* enough was in hand: when to look again */
    struct protocol_grant grant;

    struct endpoint report;
    struct report reports[REPORTS_AT_ONCE];
    int64_t report_ms;       /* when a report was last sent */
    struct items unreported; /* values and releases, in order of arrival; no item twice */
    int64_t first_ms;        /* when the first of them came */
    struct items renewal;    /* checkpoints; those before renewal_next have been sent */
    int renewal_next;
    int64_t renew_ms; /* next renewal of the leases in hand; INT64_MAX without any */
};

/* Posts the shared body to a path of the node's. context is handed to done. */
void node_post(struct node *node, struct endpoint_call *call, const char *path, int64_t timeout_ms,
               http_done *done, void *context);

/* Aborts the call if it is under way. */
void node_hang_up(struct node *node, struct endpoint_call *call);

/* The prefetch: the iterations of all nodes that may be in hand. What the mill does in a quarter of
 * this node's lease, so that other workers get their share. At least 1. */
int64_t node_prefetch_iterations(const struct node *node);

/* One lane's part of the prefetch. A chain counts for no more than that, since it occupies one lane
 * however long it is. */
int64_t node_lane_part(const struct node *node);

/* What is in hand, each chain counted up to a lane's part. Counting can walk over all items, so
 * with many in hand the result may be a few milliseconds old. */
const struct mill_load *node_load(struct node *node);

/* Makes the next node_load count again. */
void node_load_changed(struct node *node);

/* Sends the lease requests that are due. */
void leases_step(struct node *node, int64_t now_ms);

/* The latest time to call leases_step; INT64_MAX: not before a reply. */
int64_t leases_due_ms(const struct node *node);

/* Aborts all lease requests. */
void leases_stop(struct node *node);

/* Sends the reports that are due. */
void reports_step(struct node *node, int64_t now_ms);

/* The latest time to call reports_step; INT64_MAX: not before a reply or a value. */
int64_t reports_due_ms(struct node *node);

/* Queues the value of one of the node's items for a report. */
void reports_take_value(struct node *node, const struct item *item);

/* Queues all of the node's items that are still in the mill for reporting: as a value where that is
 * in a report under way, else as a release. */
void reports_release_all(struct node *node);

/* The value of an item in a report under way, or NULL. */
const struct item *reports_find_value(const struct node *node, const uuid_t id);

/* How many values and releases are in the reports under way. */
int reports_values(const struct node *node);

/* Forgets all waiting checkpoints, and ignores the node's verdicts on those under way. */
void reports_stop_renewal(struct node *node);

/* Aborts the reports under way and frees all lists. */
void reports_free(struct node *node);

#endif
