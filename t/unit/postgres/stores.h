/* Two nodes of the store on one server, and what their operations need. */
#ifndef HASHMILL_T_STORES_H
#define HASHMILL_T_STORES_H

#include "fcgi/pg_store/pg_store.h"

#include "fixture.h"

static struct cluster cluster;
static PGconn *checker; /* a session of its own */
static struct conf confs[2];
static struct store *stores[2];
static int made; /* of the items made */

static inline void run_sql(const char *sql) {
    PGresult *result = PQexec(checker, sql);
    if (PQresultStatus(result) != PGRES_TUPLES_OK && PQresultStatus(result) != PGRES_COMMAND_OK) {
        printf("Bail out! %s: %s\n", sql, PQerrorMessage(checker));
        exit(1);
    }
    PQclear(result);
}

static inline int64_t number_of(const char *sql) {
    PGresult *result = PQexec(checker, sql);
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        printf("Bail out! %s: %s\n", sql, PQerrorMessage(checker));
        exit(1);
    }
    int64_t found = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
    PQclear(result);
    return found;
}

static inline struct store *open_store(int node) {
    int code = 0;
    struct conf *conf = &confs[node];
    *conf = (struct conf){.node = node,
                          .items_max = 1000,
                          .remaining_max = INT64_C(1) << 40,
                          .lease_seconds = 30,
                          .operation_seconds = 4,
                          .in_hand_start = 100};
    struct store *store = pg_store_open(conf, cluster.uri, &code);
    if (!store) {
        static char why[4000];
        printf("# %.*s", (int)pread(log_file, why, sizeof why, 0), why);
        printf("Bail out! the store does not open: %d\n", code);
        exit(1);
    }
    return store;
}

static inline struct queue_enqueue item_of(const char *client, int64_t iterations) {
    struct queue_enqueue item = {.iterations = iterations};
    snprintf((char *)item.id.bytes, ID_SIZE, "item %09d", ++made);
    snprintf((char *)item.digest, DIGEST_SIZE, "digest %d", made);
    snprintf(item.client.name, sizeof item.client.name, "%s", client);
    return item;
}

/* Enqueues in a batch of its own. */
static inline enum queue_result enqueue(int node, const struct queue_enqueue *item,
                                        struct uuid *id) {
    if (!postgres_begin(stores[node]))
        return QUEUE_DOWN;
    enum queue_result result = postgres_enqueue(stores[node], item, id);
    if (postgres_commit(stores[node]))
        return result;
    postgres_rollback(stores[node]);
    return QUEUE_DOWN;
}

static inline struct uuid put(int node, const char *client, int64_t iterations) {
    struct uuid id = {{0}};
    const struct queue_enqueue item = item_of(client, iterations);
    ok(enqueue(node, &item, &id) == QUEUE_OK, "an item");
    return id;
}

static inline bool is_same(struct uuid one, struct uuid other) {
    return memcmp(one.bytes, other.bytes, ID_SIZE) == 0;
}

/* Whether the counts of both nodes together are those of the rows, and those of their clients. */
static inline bool counts_true(void) {
    return number_of("SELECT count(*) FROM work WHERE state = 0") ==
               number_of("SELECT sum(waiting) FROM node") &&
           number_of("SELECT count(*) FROM done") == number_of("SELECT sum(done) FROM node") &&
           number_of("SELECT count(*) FROM ended WHERE state = 3") ==
               number_of("SELECT sum(pulled) FROM node") &&
           number_of("SELECT count(*) FROM ended WHERE state = 4") ==
               number_of("SELECT sum(cancelled) FROM node") &&
           number_of("SELECT coalesce(sum(remaining), 0) FROM work") ==
               number_of("SELECT sum(remaining) FROM node") &&
           number_of("SELECT count(*) FROM (SELECT client, sum(waiting) AS waiting, sum(done) AS "
                     "done FROM client_node GROUP BY client) AS c WHERE waiting <> (SELECT "
                     "count(*) FROM work WHERE work.client = c.client AND state = 0) OR done <> "
                     "(SELECT count(*) FROM done WHERE done.client = c.client)") == 0;
}

/* Starts a server and both nodes. */
static inline void set_up_stores(const char *name) {
    set_up();
    cluster = start_server(name);
    stores[0] = open_store(0);
    stores[1] = open_store(1);
    checker = PQconnectdb(cluster.uri);
    run_sql("SET search_path = hashmill, pg_temp");
}

static inline int tear_down_stores(void) {
    postgres_close(stores[0]);
    postgres_close(stores[1]);
    PQfinish(checker);
    return tear_down();
}

#endif
