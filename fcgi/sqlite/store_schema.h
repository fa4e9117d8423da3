#ifndef HASHMILL_STORE_SCHEMA_H
#define HASHMILL_STORE_SCHEMA_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "sql.h"

enum { STORE_SCHEMA_VERSION = 11 };

/* Has a connection that was just opened run nothing that its file says: no trigger, no function
 * that is not harmless, no extension; and none of its statements can change the schema's own table.
 * Before anything is read by it. */
void store_distrust(sqlite3 *database);

/* Looks at the schema of a database of a version from 1 to STORE_SCHEMA_VERSION: what else is in it
 * than hashmill's, SQLite may run, and a file may come from anywhere. SQLITE_OK; SQLITE_MISMATCH
 * when something in it runs by itself or stands in a table's place or, of this version, when it has
 * not just the tables and indexes of a new database; else why it could not be read. */
int store_schema_look(sqlite3 *database, int64_t version);

/* The greatest time that a program saves, in ms. */
#define STORE_TIME_MAX ((INT64_C(1) << 53) - 1)

/* Looks for values, of a database of this version, that no program saves: times, clients and
 * leases. SQLITE_OK; SQLITE_MISMATCH when there are some; else why it could not be read. */
int store_values_look(sqlite3 *database);

/* Migrates a database's schema from a version (0: an empty database) to STORE_SCHEMA_VERSION,
 * within the transaction under way. False after logging why. */
bool store_migrate(sqlite3 *database, int from);

#endif
