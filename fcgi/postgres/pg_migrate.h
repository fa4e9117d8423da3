#ifndef HASHMILL_PG_MIGRATE_H
#define HASHMILL_PG_MIGRATE_H

#include "pg_link.h"

/* The steps of a schema: text[i] brings version i to version i + 1. Each is SQL of several
 * statements, without BEGIN or COMMIT; names without a schema are of the schema hashmill. */
struct pg_migrations {
    const char *const *text;
    int count;
};

/* Brings the schema up to the version that the migrations lead to, in one transaction, one process
 * after the other. Does nothing when it is there already, so that a role without rights for it may
 * call this, too. False after a failure, with the fault in link->fault: of kind PG_SCHEMA when a
 * newer program was here before, PG_RIGHTS when the role may not do it. Each step takes at most
 * limit_ms, with waiting for others. */
bool pg_migrate(struct pg_link *link, const struct pg_migrations *migrations, int64_t limit_ms);

#endif
