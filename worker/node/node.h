#ifndef HASHMILL_NODE_H
#define HASHMILL_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "http.h"
#include "json.h"
#include "mill/item.h"
#include "mill/mill.h"
#include "worker_protocol.h"

/*
 * The conversation with one node: it leases items and feeds them to the mill, reports values as
 * soon as they are there, renews leases with checkpoints, and gives everything back at the end. A
 * worker has one such conversation for each of its nodes; none waits for another. When a node is
 * silent or answers nonsense, the conversation waits and tries again; no item becomes wrong or
 * lost.
 */
struct node;

/* What all conversations of a worker share. Its owner outlives them. */
struct node_shared {
    struct http *http;
    struct mill *mill;
    const char *token;             /* bearer token */
    struct protocol_worker worker; /* rate is brought up to date before each call */
    struct node *nodes[NODES_MAX]; /* by index; node_count of them are open */
    int node_count;
    struct items finished; /* on their way from the mill to their nodes; owned */
    bool drain_requested;  /* set when some node has asked this worker to stop */
    struct json json;      /* for reading replies, one at a time */
    struct buffer body;
};

/* Starts the conversation with the next node. url is a base URL without a slash at its end, and
 * must outlive the conversation. The index in shared->nodes is the place in NODES. Nothing is sent
 * before node_step. */
struct node *node_open(struct node_shared *shared, const char *url);

/* Ends a conversation and aborts its requests. Its place in shared->nodes stays as it is. */
void node_close(struct node *node);

/* Hands the mill's finished items to the conversations that leased them, which report them at their
 * next steps. Called when the mill's descriptor is readable. */
void nodes_collect(struct node_shared *shared);

/* Sends what is due now. */
void node_step(struct node *node);

/* The latest time to call node_step, in steady milliseconds; INT64_MAX when only a reply or the
 * mill can give it something to do. */
int64_t node_due_ms(struct node *node);

/* Stops leasing, and queues all of the node's items that are still in the mill for reporting, as
 * releases. The mill must have been halted. */
void node_drain(struct node *node);

/* The number of values and releases that the node has not acknowledged yet. */
int node_unreported(const struct node *node);

/* Whether items of this node are in hand: in the mill, or values that it has not acknowledged. */
bool node_is_busy(struct node *node);

/* The node's URL. */
const char *node_url(const struct node *node);

#endif
