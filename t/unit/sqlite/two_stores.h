/* Two nodes' stores that are each other's peers, and pulls that go over both. */
#ifndef HASHMILL_T_TWO_STORES_H
#define HASHMILL_T_TWO_STORES_H

#include "fixture.h"

#include "fcgi/queue/reader.h"

/* A node: its settings, its store, what reads it. */
struct node {
    struct conf conf;
    struct store *store;
    struct reader *reader;
};

static struct node one; /* node 1: DATABASE is that of a test with one store */
static struct node two;

static inline void set_peer(struct conf *of, int node, int peer) {
    of->node = node;
    of->has_peer = true;
    of->peer.node = peer;
    of->copying = COPY_ASYNC;
    of->operation_seconds = 5;
}

static inline void open_node(struct node *node) {
    node->store = open_store_of(&node->conf);
    node->reader = reader_new(&node->conf);
}

static inline void close_node(struct node *node) {
    reader_free(node->reader);
    store_close(node->store);
}

/* Call after set_up. */
static inline void open_two(void) {
    one.conf = conf;
    two.conf = conf;
    snprintf(two.conf.database, sizeof two.conf.database, "%s/peer", directory);
    set_peer(&one.conf, 1, 2);
    set_peer(&two.conf, 2, 1);
    open_node(&one);
    open_node(&two);
}

/* Stores an item; its id. */
static inline struct uuid put(struct node *node, int64_t iterations, const char *key) {
    struct queue_enqueue item = new_item(iterations);
    struct uuid id;
    item.id = id_new((int)node->conf.node);
    snprintf(item.key, sizeof item.key, "%s", key);
    store_begin(node->store);
    if (store_enqueue(node->store, &item, &id) != QUEUE_OK || !store_commit(node->store))
        abort();
    return id;
}

/* Stores count items that are done, one a millisecond. */
static inline void put_done(struct node *node, int count) {
    for (int i = 0; i < count; i++) {
        put(node, 1, "");
        clock_offsets[0]++;
        clock_offsets[1]++;
    }
}

/* The same in one batch: all are done in the same millisecond. */
static inline void put_done_at_once(struct node *node, int count) {
    struct uuid id;
    store_begin(node->store);
    for (int i = 0; i < count; i++) {
        struct queue_enqueue item = new_item(1);
        item.id = id_new((int)node->conf.node);
        store_enqueue(node->store, &item, &id);
    }
    if (!store_commit(node->store))
        abort();
}

/* Leases up to `items` items. */
static inline enum queue_result lease(struct node *node, int items, struct queue_grant *grant) {
    struct queue_lease request = lease_of(items);
    store_begin(node->store);
    enum queue_result result = store_lease(node->store, &request, grant);
    store_commit(node->store);
    return result;
}

/* Reports the same remaining for all items of a grant. The chain is the same for each place. */
static inline void report(struct node *node, const struct queue_grant *grant, int64_t remaining) {
    static struct queue_report all;
    static struct queue_verdict verdict;
    all.worker = lease_of(1).worker;
    all.count = grant->count;
    for (int i = 0; i < grant->count; i++) {
        all.items[i] = (struct queue_report_item){
            .id = grant->items[i].id, .lease = grant->returnable.lease, .remaining = remaining};
        memset(all.items[i].chain, 'd', DIGEST_SIZE);
    }
    store_begin(node->store);
    store_report(node->store, &all, &verdict);
    store_commit(node->store);
}

/* A batch without operations, with only what every batch does. */
static inline void idle_batch(struct node *node) {
    store_begin(node->store);
    store_lapse(node->store);
    store_remove_old(node->store);
    store_give_up_pulls(node->store);
    if (!store_commit(node->store))
        abort();
}

/* --- The steps of a pull over both nodes, each durable --- */

static inline enum queue_result pull_at(struct node *node, const struct queue_pull *pull,
                                        struct queue_batch *batch) {
    store_begin(node->store);
    enum queue_result result = store_pull(node->store, pull, batch);
    if (!store_commit(node->store))
        abort();
    return result;
}

/* A pull by a client of a node's, with a key or "". */
static inline struct queue_pull spread_of(const struct node *node, int top, const char *key) {
    struct queue_pull pull = {
        .top = top, .oldest = 1, .reach = PULL_OVER_BOTH, .peer = node == &one ? 2 : 1};
    snprintf(pull.key, sizeof pull.key, "%s", key);
    return pull;
}

static inline int64_t epoch_of(const struct node *node) {
    return sqlite_of(node->store)->identity.epoch;
}

/* The node asks the other to reserve what its batch lacks, under this epoch. */
static inline void reserve_at(struct node *other, const struct queue_batch *batch, int64_t epoch,
                              struct queue_batch *more) {
    struct queue_reserve reserve = {.again = batch->share != PULL_OPEN,
                                    .node = other == &one ? 2 : 1,
                                    .identity = {.epoch = epoch},
                                    .top = batch->rest,
                                    .oldest = 1};
    memcpy(reserve.tag, batch->tag, PULL_TAG_SIZE);
    store_begin(other->store);
    enum queue_result result = store_reserve_items(other->store, &reserve, more);
    if (!store_commit(other->store) || result != QUEUE_OK)
        abort();
}

static inline enum queue_result close_at(struct node *node, const uint8_t *tag, int rest,
                                         bool settled) {
    struct queue_close close = {.rest = rest, .settled = settled};
    memcpy(close.tag, tag, PULL_TAG_SIZE);
    store_begin(node->store);
    enum queue_result result = store_close_pull(node->store, &close);
    if (!store_commit(node->store))
        abort();
    return result;
}

static inline struct queue_fate fate_at(struct node *node, const uint8_t *tag) {
    struct queue_fate fate;
    if (reader_pull_fate(node->reader, tag, &fate) != QUEUE_OK)
        abort();
    return fate;
}

static inline void settle_at(struct node *other, const struct queue_settle *settle) {
    store_begin(other->store);
    enum queue_result result = store_settle(other->store, settle);
    if (!store_commit(other->store) || result != QUEUE_OK)
        abort();
}

/* What the other node knows to be set aside. */
static inline const struct queue_peers *peers_of(struct node *node) {
    static struct queue_peers peers;
    if (reader_peers(node->reader, &peers) != QUEUE_OK)
        abort();
    return &peers;
}

/* The other node asks once for the outcome of all its reservations, and settles them. */
static inline void settle_all(struct node *other, struct node *node) {
    static struct queue_peers peers;
    peers = *peers_of(other);
    for (int i = 0; i < peers.reservation_count; i++) {
        const struct queue_reservation *asked = &peers.reservations[i];
        struct queue_settle settle = {.known = asked->settled,
                                      .node = asked->node,
                                      .epoch = epoch_of(node),
                                      .fate = fate_at(node, asked->tag)};
        memcpy(settle.tag, asked->tag, PULL_TAG_SIZE);
        if (asked->settled)
            close_at(node, asked->tag, 0, true);
        settle_at(other, &settle);
    }
}

/* Takes a row that was removed by hand off the counts. */
static inline void forget_pulled(struct store *store) {
    struct client *client = clients_named(&sqlite_of(store)->ledger.clients, "");
    sqlite_of(store)->ledger.counts.items[ITEM_PULLED]--;
    sqlite_of(store)->ledger.saved = sqlite_of(store)->ledger.counts;
    client->counts.items[ITEM_PULLED]--;
    client->saved = client->counts;
}

#endif
