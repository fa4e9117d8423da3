/* A server with the schema, and writers on it. */
#ifndef HASHMILL_T_BATCH_WRITERS_H
#define HASHMILL_T_BATCH_WRITERS_H

#include "fcgi/tx/tx.h"

#include "fcgi/postgres/pg_migrate.h"
#include "fixture.h"
#include "pg_sql.h"

static struct cluster cluster;
static struct pg_server *server;
static PGconn *checker; /* a session of its own */
static struct tx *tx;   /* the writer of node 1 */
static int64_t clock_ms = 1000;

/* The number that a query gives. */
static inline int64_t number_of(const char *sql) {
    PGresult *result = PQexec(checker, sql);
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        printf("Bail out! %s: %s\n", sql, PQerrorMessage(checker));
        exit(1);
    }
    int64_t number = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
    PQclear(result);
    return number;
}

/* A writer of a node, on a connection of its own. */
static inline struct tx *enter(int node, struct tx_counts *counts) {
    struct tx *entered = tx_new(node);
    if (!tx_enter(entered, connect_or_end(server), counts)) {
        printf("Bail out! %s\n", entered->link->fault.message);
        exit(1);
    }
    return entered;
}

static inline void leave(struct tx *left) {
    pg_link_close(left->link);
    tx_free(left);
}

/* Starts a server and makes the schema; the writer of node 1 enters. */
static inline void set_up_batches(void) {
    const char *const step = pg_sql_text[PG_SQL_SCHEMA_1];
    static const struct pg_statements statements = {pg_sql_text, pg_sql_name, pg_sql_takes,
                                                    PG_SQL_COUNT};
    struct tx_counts counts;
    set_up();
    cluster = start_server("batch");
    server = open_server(cluster.uri, &statements);
    struct pg_link *link = connect_or_end(server);
    if (!pg_migrate(link, &(struct pg_migrations){&step, 1}, 10000)) {
        printf("Bail out! %s\n", link->fault.message);
        exit(1);
    }
    pg_link_close(link);
    checker = PQconnectdb(cluster.uri);
    PQclear(PQexec(checker, "SET search_path = hashmill, pg_temp"));
    tx = enter(1, &counts);
}

static inline int tear_down_batches(void) {
    leave(tx);
    PQfinish(checker);
    close_server(server);
    return tear_down();
}

#endif
