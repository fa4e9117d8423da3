#ifndef HASHMILL_STORE_SCHEMA_H
#define HASHMILL_STORE_SCHEMA_H

#include <sqlite3.h>
#include <stdbool.h>

#include "sql.h"

enum { STORE_SCHEMA_VERSION = 7 };

/* Migrates a database's schema from a version (0: an empty database) to STORE_SCHEMA_VERSION,
 * within the transaction under way. False after logging why. */
bool store_migrate(sqlite3 *database, int from);

#endif
