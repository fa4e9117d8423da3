/* What is kept for peers and to be told to them, as the read-only connection sees it. */

#include <string.h>

#include "reader_sql.h"
#include "row.h"

/* A statement's numbers, by place; NULL (DOWN) when it cannot be had now. */
static sqlite3_stmt *bound(struct reader *reader, enum sql sql, const int64_t *numbers, int count) {
    sqlite3_stmt *statement = reader_statement(reader, sql);
    for (int i = 0; statement && i < count; i++)
        sqlite3_bind_int64(statement, i + 1, numbers[i]);
    return statement;
}

/* Ends a statement whose last step gave this code. OK when that was its end. */
static enum queue_result end(struct reader *reader, sqlite3_stmt *statement, int code) {
    if (!statement)
        return QUEUE_DOWN;
    sqlite3_reset(statement); /* no read transaction may outlive the request */
    return code == SQLITE_DONE ? QUEUE_OK : reader_failed(reader, code);
}

/* Reads the queue clock and the last change, as saved last. */
static enum queue_result read_tally(struct reader *reader, int64_t *clock_ms, int64_t *change) {
    sqlite3_stmt *statement = bound(reader, SQL_TALLY_READ, NULL, 0);
    int code = SQLITE_ERROR;
    if (statement && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        *clock_ms = sqlite3_column_int64(statement, 0);
        *change = sqlite3_column_int64(statement, 2 + ITEM_STATES);
        code = SQLITE_DONE;
    }
    return end(reader, statement, code);
}

/* Reads the items behind *place, as many as there is room for; moves it on. *more says whether
 * there are others. */
static enum queue_result read_changed(struct reader *reader, struct queue_place *place,
                                      struct queue_copies *copies, bool *more) {
    const int64_t numbers[] = {place->change, place->seq, QUEUE_COPIES_MAX + 1};
    sqlite3_stmt *statement = bound(reader, SQL_CHANGED, numbers, 3);
    int code = SQLITE_ERROR;
    *more = false;
    copies->count = 0;
    while (statement && !*more && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        *more = copies->count == QUEUE_COPIES_MAX;
        if (*more)
            code = SQLITE_DONE;
        else if (!row_copy(statement, copies->node, &copies->items[copies->count++]))
            break;
        else
            *place = (struct queue_place){sqlite3_column_int64(statement, ROW_COPY_COLUMNS + 1),
                                          sqlite3_column_int64(statement, ROW_COPY_COLUMNS)};
    }
    return end(reader, statement, code);
}

enum queue_result reader_changed(struct reader *reader, struct queue_place *place,
                                 int64_t *complete, struct queue_copies *copies) {
    int64_t clock_ms = 0;
    int64_t last = 0; /* read first: the items below may be of later changes, but none is missing */
    bool more;
    struct queue_place next = *place;
    enum queue_result result = read_tally(reader, &clock_ms, &last);
    if (result == QUEUE_OK)
        result = read_changed(reader, &next, copies, &more);
    if (result != QUEUE_OK)
        return result;
    *place = next;
    *complete = more || last < next.change - 1 ? next.change - 1 : last;
    return QUEUE_OK;
}

enum queue_result reader_items(struct reader *reader, int64_t *seq, struct queue_copies *copies) {
    const int64_t numbers[] = {*seq, QUEUE_COPIES_MAX};
    sqlite3_stmt *statement = bound(reader, SQL_ITEMS_AFTER, numbers, 2);
    int code = SQLITE_ERROR;
    copies->count = 0;
    while (statement && copies->count < QUEUE_COPIES_MAX &&
           (code = sqlite3_step(statement)) == SQLITE_ROW &&
           row_copy(statement, copies->node, &copies->items[copies->count])) {
        copies->count++;
        *seq = sqlite3_column_int64(statement, ROW_COPY_COLUMNS);
    }
    if (copies->count == QUEUE_COPIES_MAX)
        code = SQLITE_DONE;
    return end(reader, statement, code);
}

/* A peer before anything is known of it. */
static void list_peers(const struct conf *conf, struct queue_peers *peers) {
    peers->count = conf->peer_count;
    for (int i = 0; i < conf->peer_count; i++)
        peers->peers[i] =
            (struct queue_peer){.node = conf->peers[i].node, .heard_ms = -1, .away = 1};
}

static void take_peer(struct queue_peers *peers, sqlite3_stmt *row) {
    for (int i = 0; i < peers->count; i++) {
        struct queue_peer *peer = &peers->peers[i];
        if (peer->node != sqlite3_column_int(row, 0))
            continue;
        peer->heard_ms = sqlite3_column_int64(row, 1);
        peer->told = sqlite3_column_int64(row, 2);
        peer->kept_waiting = sqlite3_column_int64(row, 3) + sqlite3_column_int64(row, 4);
        peer->kept_done = sqlite3_column_int64(row, 5);
        peer->kept_remaining = sqlite3_column_int64(row, 6);
        peer->restored = sqlite3_column_int(row, 7) != 0;
        /* The batch in which a peer becomes away saves its clock. */
        peer->away = peer->heard_ms < 0 || peers->clock_ms - peer->heard_ms >= PEER_AWAY_MS;
    }
}

/* Copies an id. False when it has not its size. */
static bool take_id(sqlite3_stmt *row, struct uuid *id) {
    if (sqlite3_column_bytes(row, 0) != ID_SIZE)
        return false;
    memcpy(id->bytes, sqlite3_column_blob(row, 0), ID_SIZE);
    return true;
}

static enum queue_result read_peers(struct reader *reader, struct queue_peers *peers) {
    sqlite3_stmt *statement = bound(reader, SQL_PEER_LOAD, NULL, 0);
    int code = SQLITE_ERROR;
    while (statement && (code = sqlite3_step(statement)) == SQLITE_ROW)
        take_peer(peers, statement);
    return end(reader, statement, code);
}

static enum queue_result read_loans(struct reader *reader, struct queue_peers *peers) {
    sqlite3_stmt *statement = bound(reader, SQL_LOANS_ALL, &(int64_t){QUEUE_LOANS_MAX}, 1);
    int code = SQLITE_ERROR;
    while (statement && (code = sqlite3_step(statement)) == SQLITE_ROW &&
           take_id(statement, &peers->loans[peers->loan_count].id)) {
        struct queue_loan *loan = &peers->loans[peers->loan_count++];
        loan->node = sqlite3_column_int(statement, 1);
        loan->side = sqlite3_column_int(statement, 2);
        loan->state = sqlite3_column_int(statement, 3);
        loan->deadline_ms = sqlite3_column_int64(statement, 4);
    }
    return end(reader, statement, code);
}

static enum queue_result read_transfers(struct reader *reader, struct queue_peers *peers) {
    sqlite3_stmt *statement = bound(reader, SQL_TRANSFERS, &(int64_t){QUEUE_TRANSFERS_MAX}, 1);
    int code = SQLITE_ERROR;
    while (statement && (code = sqlite3_step(statement)) == SQLITE_ROW &&
           take_id(statement, &peers->transfers[peers->transfer_count].id)) {
        struct queue_transfer *transfer = &peers->transfers[peers->transfer_count++];
        transfer->node = sqlite3_column_int(statement, 1);
        transfer->top = sqlite3_column_int(statement, 2);
        transfer->oldest = sqlite3_column_int(statement, 3);
    }
    return end(reader, statement, code);
}

static enum queue_result read_faults(struct reader *reader, struct queue_peers *peers) {
    sqlite3_stmt *statement = bound(reader, SQL_FAULTS, NULL, 0);
    int code = SQLITE_ERROR;
    if (statement && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        peers->faults = sqlite3_column_int64(statement, 0);
        code = SQLITE_DONE;
    }
    return end(reader, statement, code);
}

enum queue_result reader_peers(struct reader *reader, struct queue_peers *peers) {
    memset(peers, 0, sizeof *peers);
    list_peers(reader->conf, peers);
    enum queue_result result = read_tally(reader, &peers->clock_ms, &peers->change);
    if (result == QUEUE_OK)
        result = read_peers(reader, peers);
    if (result == QUEUE_OK)
        result = read_loans(reader, peers);
    if (result == QUEUE_OK)
        result = read_transfers(reader, peers);
    return result == QUEUE_OK ? read_faults(reader, peers) : result;
}
