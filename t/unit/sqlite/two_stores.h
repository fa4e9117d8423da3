/* Two nodes' stores that are each other's peers, and what goes to and fro between them. */
#ifndef HASHMILL_T_TWO_STORES_H
#define HASHMILL_T_TWO_STORES_H

#include "fixture.h"

#include "fcgi/queue/reader.h"

/* A node: its settings, its store, what reads it, how far its peer was told. */
struct node {
    struct conf conf;
    struct store *store;
    struct reader *reader;
    struct queue_place place;
    int64_t complete;
};

static struct node one; /* node 1: DATABASE is that of a test with one store */
static struct node two;

static inline void set_peer(struct conf *of, int node, int peer) {
    of->node = node;
    of->peer_count = 1;
    of->peers[0].node = peer;
    of->copying = COPY_ASYNC;
    of->peer_lost_seconds = 120;
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

/* Behind set_up. */
static inline void open_two(void) {
    one.conf = conf;
    two.conf = conf;
    snprintf(two.conf.database, sizeof two.conf.database, "%s/peer", directory);
    set_peer(&one.conf, 1, 2);
    set_peer(&two.conf, 2, 1);
    open_node(&one);
    open_node(&two);
}

/* One message of copies from a node to another; when it is lost on its way back, nothing is noted.
 * How many items it had. */
static inline int tell_some(struct node *from, struct node *to, bool acknowledged) {
    static struct queue_copies copies;
    struct queue_place place = from->place;
    int64_t complete;
    copies.node = (int32_t)from->conf.node;
    if (reader_changed(from->reader, &place, &complete, &copies) != QUEUE_OK)
        abort();
    if (copies.count > 0) {
        store_begin(to->store);
        if (store_merge(to->store, &copies) != QUEUE_OK || !store_commit(to->store))
            abort();
    }
    if (!acknowledged)
        return copies.count;
    from->place = place;
    from->complete = complete;
    store_begin(from->store);
    store_told(from->store, (int)to->conf.node, complete);
    store_commit(from->store);
    return copies.count;
}

/* All of it. */
static inline int tell(struct node *from, struct node *to) {
    int all = 0;
    int some;
    while ((some = tell_some(from, to, true)) > 0)
        all += some;
    return all;
}

/* A node has an answer from the other. */
static inline void hear(struct node *node, const struct node *from) {
    store_begin(node->store);
    store_heard_from(node->store, (int)from->conf.node);
    store_commit(node->store);
}

/* A batch with nothing but what a batch does by itself. */
static inline void idle_batch(struct node *node) {
    store_begin(node->store);
    store_lapse(node->store);
    store_remove_old(node->store);
    store_adopt(node->store);
    store_commit(node->store);
}

/* Stores an item; its id. */
static inline struct uuid put(struct node *node, int64_t iterations, const char *key) {
    struct queue_enqueue item = new_item(iterations);
    struct uuid id;
    snprintf(item.key, sizeof item.key, "%s", key);
    store_begin(node->store);
    if (store_enqueue(node->store, &item, &id) != QUEUE_OK || !store_commit(node->store))
        abort();
    return id;
}

/* Leases up to so many items. */
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

/* How many items the nodes do not have alike. */
static inline int64_t differences(void) {
    char attach[200];
    static const char columns[] = "id, digest, chain, iterations, remaining, moves, trial,"
                                  " enqueued_wall, done_wall, pull, iif(state = 1, 0, state)";
    char sql[1500];
    sqlite3 *database;
    sqlite3_stmt *statement;
    snprintf(attach, sizeof attach, "ATTACH '%s/peer' AS two", directory);
    snprintf(sql, sizeof sql,
             "SELECT (SELECT count(*) FROM (SELECT %s, coalesce(home, 1) FROM main.item EXCEPT"
             " SELECT %s, coalesce(home, 2) FROM two.item)) +"
             " (SELECT count(*) FROM (SELECT %s, coalesce(home, 2) FROM two.item EXCEPT"
             " SELECT %s, coalesce(home, 1) FROM main.item))",
             columns, columns, columns, columns);
    if (sqlite3_open_v2(one.conf.database, &database, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK ||
        sqlite3_exec(database, attach, NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(database, sql, -1, &statement, NULL) != SQLITE_OK ||
        sqlite3_step(statement) != SQLITE_ROW)
        abort();
    int64_t count = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(database);
    return count;
}

#endif
