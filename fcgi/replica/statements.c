/* Statements on the replica. */

#include "parts.h"

sqlite3_stmt *replica_statement(struct replica *replica, enum sql sql) {
    sqlite3_stmt **slot = &replica->statements[sql];
    if (*slot)
        sqlite3_reset(*slot);
    else
        sqlite3_prepare_v3(replica->database, sql_text[sql], -1, SQLITE_PREPARE_PERSISTENT, slot,
                           NULL);
    return *slot;
}

int replica_finish(sqlite3_stmt *statement) {
    int code = sqlite3_step(statement);
    int reset = sqlite3_reset(statement);
    return code == SQLITE_ROW || code == SQLITE_DONE ? reset : code;
}

int replica_run(struct replica *replica, enum sql sql) {
    sqlite3_stmt *statement = replica_statement(replica, sql);
    return statement ? replica_finish(statement) : sqlite3_extended_errcode(replica->database);
}
