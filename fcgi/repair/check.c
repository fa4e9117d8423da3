/* hashmill-fcgi --check: what a file is that may have come from anywhere. */

#include <stdio.h>
#include <string.h>

#include "log.h"
#include "sqlite/store_schema.h"
#include "store/offline.h"

/* The first value of a one-row statement as a text, which is valid until the statement is
 * finalized. NULL when there is none. */
static const char *text_of(sqlite3 *database, const char *sql, sqlite3_stmt **statement) {
    if (sqlite3_prepare_v2(database, sql, -1, statement, NULL) != SQLITE_OK ||
        sqlite3_step(*statement) != SQLITE_ROW)
        return NULL;
    return (const char *)sqlite3_column_text(*statement, 0);
}

/* The version of its schema; 0 when it cannot be read. */
static int64_t version_of(sqlite3 *database) {
    sqlite3_stmt *statement = NULL;
    const char *text = text_of(database, "PRAGMA user_version", &statement);
    int64_t version = text ? sqlite3_column_int64(statement, 0) : 0;
    sqlite3_finalize(statement);
    return version;
}

/* Whether every page is where it should be and every row fits its indexes and constraints. */
static bool is_whole(sqlite3 *database, const char *file) {
    sqlite3_stmt *statement = NULL;
    const char *said = text_of(database, "PRAGMA integrity_check(1)", &statement);
    bool good = said && strcmp(said, "ok") == 0;
    if (!good)
        log_error("%s is not whole: %s", file, said ? said : sqlite3_errmsg(database));
    sqlite3_finalize(statement);
    return good;
}

/* Whether its schema is one of hashmill's. */
static bool is_known(sqlite3 *database, const char *file) {
    int64_t version = version_of(database);
    bool known = version > 0 && version <= STORE_SCHEMA_VERSION;
    int code = known ? store_schema_look(database, version) : SQLITE_ERROR;
    if (code == SQLITE_OK)
        return true;
    if (code == SQLITE_MISMATCH)
        log_error("%s has in its schema what no database of hashmill's has, such as a trigger, a "
                  "view or a table more",
                  file);
    else if (version > STORE_SCHEMA_VERSION)
        log_error("%s has schema version %lld, this program knows up to %d", file,
                  (long long)version, STORE_SCHEMA_VERSION);
    else
        log_error("%s is no database of hashmill's: %s", file, sqlite3_errmsg(database));
    return false;
}

/* Whether it has only such times, clients and leases as a program saves. Those of an older version
 * are made when it is migrated, or looked at when it is served. */
static bool makes_sense(sqlite3 *database, const char *file) {
    int code =
        version_of(database) == STORE_SCHEMA_VERSION ? store_values_look(database) : SQLITE_OK;
    if (code == SQLITE_MISMATCH)
        log_error(
            "%s has times or clients that no program saves, or lacks clients that have items, or "
            "leases of leased items: hashmill-fcgi --recover makes it whole",
            file);
    else if (code != SQLITE_OK)
        log_error("cannot read %s: %s", file, sqlite3_errmsg(database));
    return code == SQLITE_OK;
}

bool store_check(const char *file) {
    sqlite3 *database = NULL;
    sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
    int code = sqlite3_open_v2(file, &database, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
    if (code == SQLITE_OK)
        store_distrust(database);
    else
        log_error("cannot open %s: %s", file, sqlite3_errstr(code));
    bool good =
        code == SQLITE_OK &&
        sqlite3_exec(database, "PRAGMA cell_size_check = ON", NULL, NULL, NULL) == SQLITE_OK &&
        is_known(database, file) && is_whole(database, file) && makes_sense(database, file);
    sqlite3_close(database);
    return good;
}
