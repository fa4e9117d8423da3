/* Opening and closing. */

#include <stdlib.h>

#include "exit_code.h"
#include "log.h"
#include "memory.h"
#include "pg_sql.h"
#include "pg_store.h"
#include "postgres/pg_migrate.h"

enum { MIGRATE_MS = 600000 };

static const struct pg_statements STATEMENTS = {pg_sql_text, pg_sql_name, pg_sql_takes,
                                                PG_SQL_COUNT};

/* The code to exit with after a fault: whether only an operator can mend it. */
static int exit_code_of(enum pg_kind kind) {
    switch (kind) {
    case PG_LOCKED:
    case PG_RIGHTS:
    case PG_SCHEMA:
    case PG_SETTINGS:
    case PG_UNFIT:
    case PG_POOLED:
    case PG_BUG:
        return EXIT_CONFIG;
    default:
        return EXIT_TEMPORARY;
    }
}

/* Connects, migrates and enters. False after a failure, which is logged; *kind says of what kind.
 */
static bool enter(struct pg_store *store, enum pg_kind *kind) {
    const char *const step = pg_sql_text[PG_SQL_SCHEMA_1];
    store->link = pg_server_connect(&store->server);
    if (!store->link) {
        *kind = store->server.fault.kind;
        return false;
    }
    if (pg_migrate(store->link, &(struct pg_migrations){&step, 1}, MIGRATE_MS) &&
        pg_store_enter(store))
        return true;
    *kind = store->link->fault.kind;
    pg_fault_log(&store->faults, &store->link->fault, "opening the queue");
    return false;
}

struct store *pg_store_open(const struct conf *conf, const char *uri, int *exit_code) {
    struct pg_store *store = memory_or_end(calloc(1, sizeof *store), "the store");
    enum pg_kind kind = PG_SETTINGS;
    store->conf = conf;
    store->ledger.conf = conf;
    store->ledger.is_part = true; /* other nodes count, too */
    store->tx = memory_or_end(tx_new((int)conf->node), "a batch");
    bool good = pg_server_open(&store->server, uri, &STATEMENTS);
    if (!good)
        pg_fault_log(&store->faults, &store->server.fault, "QUEUE");
    if (good && enter(store, &kind))
        return &store->base;
    *exit_code = exit_code_of(kind);
    postgres_close(&store->base);
    return NULL;
}

bool postgres_close(struct store *base) {
    struct pg_store *store = pg_store_of(base);
    pg_link_close(store->link);
    pg_server_close(&store->server);
    tx_free(store->tx);
    clients_free(&store->ledger.clients);
    free(store);
    return true;
}
