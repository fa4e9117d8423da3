/* The peer, loans and pulls over both nodes, as the read-only connection sees them. */

#include <stdio.h>
#include <string.h>

#include "parts.h"
#include "rows/rows_hash.h"
#include "sqlite/store_schema.h"

/* A statement with these numbers bound as ?1, ?2 ...; NULL (DOWN) when the file cannot be read now.
 */
static sqlite3_stmt *bound(struct sqlite_reader *reader, enum sql sql, const int64_t *numbers,
                           int count) {
    sqlite3_stmt *statement = reader_statement(reader, sql);
    for (int i = 0; statement && i < count; i++)
        sqlite3_bind_int64(statement, i + 1, numbers[i]);
    return statement;
}

/* Ends a statement whose last step gave this code. OK for SQLITE_DONE, else DOWN or FAULT. */
static enum queue_result end(struct sqlite_reader *reader, sqlite3_stmt *statement, int code) {
    if (!statement)
        return QUEUE_DOWN;
    sqlite3_reset(statement); /* no read transaction may outlive the request */
    return code == SQLITE_DONE ? QUEUE_OK : reader_failed(reader, code);
}

/* Copies a blob column of exactly size bytes. False for another size. */
static bool take_blob(sqlite3_stmt *row, int column, void *to, int size) {
    if (sqlite3_column_bytes(row, column) != size)
        return false;
    memcpy(to, sqlite3_column_blob(row, column), (size_t)size);
    return true;
}

static enum queue_result read_tally(struct sqlite_reader *reader, struct queue_peers *peers) {
    sqlite3_stmt *statement = bound(reader, SQL_TALLY_READ, NULL, 0);
    int code = SQLITE_ERROR;
    if (statement && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        peers->clock_ms = sqlite3_column_int64(statement, 0);
        peers->batch = sqlite3_column_int64(statement, 2 + ITEM_STATES);
        if (take_blob(statement, 3 + ITEM_STATES, peers->batch_check, BATCH_CHECK_SIZE))
            code = SQLITE_DONE;
    }
    return end(reader, statement, code);
}

static enum queue_result read_identity(struct sqlite_reader *reader, struct queue_peers *peers) {
    sqlite3_stmt *statement = bound(reader, SQL_IDENTITY, NULL, 0);
    int code = SQLITE_ERROR;
    if (statement && (code = sqlite3_step(statement)) == SQLITE_ROW &&
        take_blob(statement, 0, peers->identity.database.bytes, ID_SIZE)) {
        peers->identity.epoch = sqlite3_column_int64(statement, 2);
        peers->schema = STORE_SCHEMA_VERSION;
        code = SQLITE_DONE;
    }
    return end(reader, statement, code);
}

/* Reads the saved state of the peer: its database, with epoch 0 when none was met, and since when
 * its replica is incomplete. */
static enum queue_result load_peer(struct sqlite_reader *reader, struct queue_identity *met,
                                   int64_t *incomplete_wall_ms) {
    const int64_t node = reader->conf->peer.node;
    sqlite3_stmt *statement = bound(reader, SQL_PEER_LOAD, &node, 1);
    int code = SQLITE_ERROR;
    if (statement && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        if (take_blob(statement, 1, met->database.bytes, ID_SIZE))
            met->epoch = sqlite3_column_int64(statement, 2);
        *incomplete_wall_ms = sqlite3_column_int64(statement, 3);
        code = SQLITE_DONE;
    }
    return end(reader, statement, code);
}

static enum queue_result read_peer(struct sqlite_reader *reader, struct queue_peers *peers) {
    return load_peer(reader, &peers->met, &peers->incomplete_wall_ms);
}

enum queue_result sqlite_reader_met(struct reader *base, struct queue_identity *met) {
    struct sqlite_reader *reader = sqlite_reader_of(base);
    int64_t incomplete_wall_ms;
    *met = (struct queue_identity){0};
    return load_peer(reader, met, &incomplete_wall_ms);
}

static enum queue_result read_loans(struct sqlite_reader *reader, struct queue_peers *peers) {
    sqlite3_stmt *statement = bound(reader, SQL_LOANS_ALL, &(int64_t){QUEUE_LOANS_MAX}, 1);
    int code = SQLITE_ERROR;
    while (statement && (code = sqlite3_step(statement)) == SQLITE_ROW &&
           take_blob(statement, 0, peers->loans[peers->loan_count].id.bytes, ID_SIZE)) {
        struct queue_loan *loan = &peers->loans[peers->loan_count++];
        loan->node = sqlite3_column_int(statement, 1);
        loan->side = sqlite3_column_int(statement, 2);
        loan->state = sqlite3_column_int(statement, 3);
        loan->deadline_ms = sqlite3_column_int64(statement, 4);
    }
    return end(reader, statement, code);
}

static enum queue_result read_machines(struct sqlite_reader *reader, struct queue_peers *peers) {
    sqlite3_stmt *statement = bound(reader, SQL_MACHINES_ALIVE, &(int64_t){QUEUE_MACHINES_MAX}, 1);
    int code = SQLITE_ERROR;
    while (statement && (code = sqlite3_step(statement)) == SQLITE_ROW)
        snprintf(peers->machines[peers->machine_count++], QUEUE_NAME_SIZE, "%s",
                 (const char *)sqlite3_column_text(statement, 0));
    return end(reader, statement, code);
}

static enum queue_result read_reservations(struct sqlite_reader *reader,
                                           struct queue_peers *peers) {
    const int64_t numbers[] = {reader->conf->peer.node, QUEUE_RESERVATIONS_MAX};
    sqlite3_stmt *statement = bound(reader, SQL_RESERVATIONS, numbers, 2);
    int code = SQLITE_ERROR;
    while (
        statement && (code = sqlite3_step(statement)) == SQLITE_ROW &&
        take_blob(statement, 0, peers->reservations[peers->reservation_count].tag, PULL_TAG_SIZE)) {
        struct queue_reservation *found = &peers->reservations[peers->reservation_count++];
        found->node = sqlite3_column_int(statement, 1);
        found->epoch = sqlite3_column_int64(statement, 2);
        found->count = sqlite3_column_int64(statement, 3);
        found->settled = (uint8_t)(sqlite3_column_int(statement, 4) != 0);
    }
    return end(reader, statement, code);
}

static enum queue_result read_reserved(struct sqlite_reader *reader, struct queue_peers *peers) {
    sqlite3_stmt *statement = bound(reader, SQL_RESERVED_ITEMS, NULL, 0);
    int code = SQLITE_ERROR;
    if (statement && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        peers->reserved_items = sqlite3_column_int64(statement, 0);
        code = SQLITE_DONE;
    }
    return end(reader, statement, code);
}

enum queue_result sqlite_reader_peers(struct reader *base, struct queue_peers *peers) {
    struct sqlite_reader *reader = sqlite_reader_of(base);
    typedef enum queue_result part(struct sqlite_reader *, struct queue_peers *);
    static part *const parts[] = {read_tally,    read_identity,     read_peer,    read_loans,
                                  read_machines, read_reservations, read_reserved};
    enum queue_result result = QUEUE_OK;
    memset(peers, 0, sizeof *peers);
    for (size_t i = 0; i < sizeof parts / sizeof *parts && result == QUEUE_OK; i++)
        result = parts[i](reader, peers);
    return result;
}

enum queue_result sqlite_reader_pull_fate(struct reader *base, const uint8_t tag[PULL_TAG_SIZE],
                                          struct queue_fate *fate) {
    struct sqlite_reader *reader = sqlite_reader_of(base);
    sqlite3_stmt *statement = reader_statement(reader, SQL_SPREAD_FIND);
    int code = SQLITE_ERROR;
    *fate = (struct queue_fate){.fate = PULL_UNKNOWN};
    if (statement) {
        sqlite3_bind_blob(statement, 1, tag, PULL_TAG_SIZE, SQLITE_STATIC);
        code = sqlite3_step(statement);
    }
    if (code == SQLITE_ROW) {
        int rest = sqlite3_column_int(statement, 3);
        fate->fate = rest < 0 ? PULL_IS_OPEN : PULL_IS_CLOSED;
        fate->rest = rest < 0 ? 0 : rest;
        code = SQLITE_DONE;
    }
    return end(reader, statement, code);
}

/* Runs a statement that gives no row. */
static bool run(struct sqlite_reader *reader, enum sql sql) {
    sqlite3_stmt *statement = reader_statement(reader, sql);
    int code = statement ? sqlite3_step(statement) : SQLITE_ERROR;
    if (statement)
        sqlite3_reset(statement);
    return code == SQLITE_DONE;
}

/* The number that a one-row statement gives, 0 for NULL; -1 when it fails. */
static int64_t number_of(sqlite3_stmt *statement, int column) {
    int64_t number = -1;
    if (statement && sqlite3_step(statement) == SQLITE_ROW)
        number = sqlite3_column_int64(statement, column);
    if (statement)
        sqlite3_reset(statement);
    return number;
}

/* Hashes a range of items, within one read transaction. Returns SQLite's code. */
static int hash_range(struct sqlite_reader *reader, int64_t items, struct queue_range *range) {
    const int64_t from[] = {range->first, items};
    range->batch = number_of(bound(reader, SQL_TALLY_READ, NULL, 0), 2 + ITEM_STATES);
    range->last = number_of(bound(reader, SQL_REPLICA_ROWS_END, from, 2), 0);
    const int64_t both[] = {range->first, range->last};
    sqlite3_stmt *rows = bound(reader, SQL_REPLICA_ROWS, both, 2);
    if (range->batch < 0 || range->last < 0 || !rows)
        return SQLITE_BUSY;
    return rows_hash(rows, range->hash);
}

enum queue_result sqlite_reader_hash_items(struct reader *base, int64_t items,
                                           struct queue_range *range) {
    struct sqlite_reader *reader = sqlite_reader_of(base);
    if (!run(reader, SQL_READ_BEGIN))
        return QUEUE_DOWN;
    int code = hash_range(reader, items, range);
    if (code != SQLITE_OK)
        return reader_failed(reader, code); /* which ends the transaction by closing the file */
    return run(reader, SQL_COMMIT) ? QUEUE_OK : reader_failed(reader, SQLITE_BUSY);
}
