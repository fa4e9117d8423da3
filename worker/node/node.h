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
 * worker has one such conversation for each of its nodes; none waits for another. Whatever a node
 * does, stays away or answers nonsense, ends in waiting and trying again, never in a wrong or lost
 * item.
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

/* Starts a conversation with the next node, at url, a base URL without a slash at its end that
 * outlives it. Its index in shared->nodes is its place in NODES. Nothing is sent before node_step.
 */
struct node *node_open(struct node_shared *shared, const char *url);

/* Ends it; requests under way are given up. Its place in shared->nodes stays as it is. */
void node_close(struct node *node);

/* Hands the mill's finished items to the conversations that leased them, which report them at their
 * next steps. Called when the mill's descriptor is readable. */
void nodes_collect(struct node_shared *shared);

/* Sends what is due now. */
void node_step(struct node *node);

/* When node_step wants to be called at the latest, in steady milliseconds; INT64_MAX when only a
 * reply or the mill will give it something to do. */
int64_t node_due_ms(struct node *node);

/* Stops leasing, and puts all of the node's items that are still in the mill, which must have been
 * halted, among those to be reported, as releases. */
void node_drain(struct node *node);

/* Items that the node has not been told of yet: values and releases. */
int node_unreported(const struct node *node);

/* Whether something is in hand of this node or might be: items in the mill, values not reported. */
bool node_is_busy(struct node *node);

/* The node's URL. */
const char *node_url(const struct node *node);

#endif
