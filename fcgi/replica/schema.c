/* What a copy from the other node may contain. The file is not trusted: SQLite runs what its schema
 * says. */

#include <string.h>

#include "log.h"
#include "parts.h"
#include "sqlite/rows_hash.h"
#include "sqlite/store_schema.h"

/* Hashes the columns of all tables and indexes. False when they cannot be read. */
static bool hash_columns(sqlite3 *database, uint8_t hash[ROWS_HASH_SIZE]) {
    sqlite3_stmt *rows = NULL;
    bool good =
        sqlite3_prepare_v2(database, sql_text[SQL_REPLICA_SHAPE], -1, &rows, NULL) == SQLITE_OK &&
        rows_hash(rows, hash) == SQLITE_OK;
    sqlite3_finalize(rows);
    return good;
}

/* Hashes the columns of a new database of this program. */
static bool hash_ours(uint8_t hash[ROWS_HASH_SIZE]) {
    sqlite3 *database = NULL;
    bool good = sqlite3_open_v2(":memory:", &database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                                NULL) == SQLITE_OK &&
                store_migrate(database, 0) && hash_columns(database, hash);
    sqlite3_close(database);
    return good;
}

/* Whether the copy has nothing that runs by itself or stands in place of a table. */
static bool is_plain(sqlite3 *copy) {
    sqlite3_stmt *row = NULL;
    bool good =
        sqlite3_prepare_v2(copy, sql_text[SQL_REPLICA_STRANGE], -1, &row, NULL) == SQLITE_OK &&
        sqlite3_step(row) == SQLITE_ROW && sqlite3_column_int(row, 0) == 0;
    sqlite3_finalize(row);
    return good;
}

bool replica_schema_fits(sqlite3 *copy, int64_t version) {
    uint8_t ours[ROWS_HASH_SIZE];
    uint8_t theirs[ROWS_HASH_SIZE];
    if (!is_plain(copy))
        return false;
    if (version != STORE_SCHEMA_VERSION) /* while the nodes are upgraded one after the other */
        return true;
    return hash_ours(ours) && hash_columns(copy, theirs) && memcmp(ours, theirs, sizeof ours) == 0;
}
