/* What a batch reads. Items move forward only, from work to done to ended, so they are looked for
 * in this order, by a statement each: one that moves meanwhile is found where it comes to. Few are
 * looked for in ended, and in a trip of their own. */

#include <stdlib.h>
#include <string.h>

#include "pg_sql.h"
#include "postgres/pg_answer.h"
#include "tx.h"
#include "tx_claims.h"
#include "tx_columns.h"

static bool note(struct uuid *list, int *count, int most, const struct uuid *id) {
    if (*count == most)
        return false;
    list[(*count)++] = *id;
    return true;
}

bool tx_want_locked(struct tx *tx, const struct uuid *id) {
    return note(tx->wants.locked, &tx->wants.locked_count, TX_ROWS_MAX, id);
}

bool tx_want_seen(struct tx *tx, const struct uuid *id) {
    return note(tx->wants.seen, &tx->wants.seen_count, TX_ROWS_MAX, id);
}

bool tx_want_lease(struct tx *tx, const struct uuid *lease) {
    return note(tx->wants.leases, &tx->wants.lease_count, TX_LEASES_MAX, lease);
}

bool tx_want_key(struct tx *tx, const struct tx_key *key) {
    const struct tx_key *wanted = tx_keys_add(&tx->keys, key);
    tx->wants.has_keys = tx->wants.has_keys || (wanted && !wanted->is_read);
    return wanted != NULL;
}

static bool want_cursor(struct tx *tx, struct tx_cursor *cursor, int sql) {
    struct tx_wants *wants = &tx->wants;
    if (wants->cursor_count == TX_CURSORS_MAX)
        return false;
    wants->cursors[wants->cursor_count].cursor = cursor;
    wants->cursors[wants->cursor_count++].sql = sql;
    return true;
}

bool tx_want_waiting(struct tx *tx, struct tx_cursor *home) {
    return want_cursor(tx, home, PG_SQL_WORK_NEXT);
}

bool tx_want_done(struct tx *tx, struct tx_cursor *client, enum tx_order order) {
    return want_cursor(tx, client, order == TX_OLDEST ? PG_SQL_DONE_OLDEST : PG_SQL_DONE_LATEST);
}

struct tx_cursor tx_first_done(int64_t client, enum tx_order order, int32_t most) {
    struct tx_cursor first = {.group = client, .most = most};
    first.order = order == TX_OLDEST ? INT64_MIN : INT64_MAX;
    return first;
}

static int compare_ids(const void *a, const void *b) {
    return memcmp(a, b, sizeof(struct uuid));
}

/* Sorts ids, so that no two batches wait for each other's rows, and leaves out those that come
 * twice. */
static void sort_ids(struct uuid *ids, int *count) {
    int kept = 0;
    qsort(ids, (size_t)*count, sizeof *ids, compare_ids);
    for (int i = 0; i < *count; i++) {
        if (kept == 0 || compare_ids(&ids[kept - 1], &ids[i]) != 0)
            ids[kept++] = ids[i];
    }
    *count = kept;
}

/* Leaves out the ids that are known well enough already. */
static void leave_out_known(struct tx *tx, struct uuid *ids, int *count, bool is_locked) {
    int kept = 0;
    sort_ids(ids, count);
    for (int i = 0; i < *count; i++) {
        const struct tx_row *row = tx_rows_find(tx->rows, &ids[i]);
        bool known =
            row && (!is_locked || row->is_locked || row->is_absent || row->stored == TX_ENDED);
        if (!known)
            ids[kept++] = ids[i];
    }
    *count = kept;
}

/* Adds a statement that takes ids; -1 without any. */
static int add_ids(struct tx *tx, int sql, const struct uuid *ids, int count) {
    if (count == 0)
        return -1;
    pg_params_clear(&tx->params);
    pg_open_array(&tx->params, PG_UUID);
    for (int i = 0; i < count; i++)
        pg_put_uuid(&tx->params, ids[i].bytes);
    pg_close_array(&tx->params);
    return pg_add(tx->link, sql, &tx->params);
}

static int add_cursor(struct tx *tx, const struct tx_cursor *cursor, int sql) {
    struct pg_params *params = &tx->params;
    int32_t room = tx_rows_room(tx->rows);
    pg_params_clear(params);
    if (sql == PG_SQL_WORK_NEXT)
        pg_put_int4(params, (int32_t)cursor->group);
    else
        pg_put_int8(params, cursor->group);
    pg_put_int8(params, cursor->order);
    pg_put_uuid(params, cursor->id.bytes);
    pg_put_int4(params, cursor->most < room ? cursor->most : room);
    return pg_add(tx->link, sql, params);
}

/* Sends the pipeline. The first of a batch tells whether the node still is this writer's. */
static bool run(struct tx *tx) {
    int lock = tx->lock;
    tx->lock = -1;
    if (!pg_run(tx->link, PG_STAYS, TX_LIMIT_MS))
        return false;
    if (lock < 0 || pg_rows(tx->link, lock) == 1)
        return true;
    tx->is_replaced = true;
    pg_fault_set(&tx->link->fault, PG_BUG, "another writer has node %d", tx->node);
    return false;
}

static bool no_room(struct tx *tx) {
    pg_fault_set(&tx->link->fault, PG_BUG, "a batch has too many rows");
    return false;
}

/* Takes up the rows of an answer; -1: there is none. */
static bool take_rows(struct tx *tx, int answer, bool is_locked) {
    for (int row = 0; answer >= 0 && row < pg_rows(tx->link, answer); row++) {
        struct item_row item;
        const char *place;
        if (!tx_columns_read(tx->link, answer, row, &item, &place))
            return false;
        if (!tx_rows_read(tx->rows, &item, place, is_locked))
            return no_room(tx);
    }
    return true;
}

/* Takes up the rows that a cursor comes to, and moves it on. */
static bool take_cursor(struct tx *tx, struct tx_cursor *cursor, int answer) {
    int count = pg_rows(tx->link, answer);
    int32_t room = tx_rows_room(tx->rows);
    struct item_row last;
    const char *place;
    cursor->is_end = count < (cursor->most < room ? cursor->most : room);
    if (count == 0)
        return true;
    if (!tx_columns_read(tx->link, answer, count - 1, &last, &place) ||
        !take_rows(tx, answer, true))
        return false;
    cursor->order = last.state == ITEM_DONE ? last.done_at_ms : last.rank;
    cursor->id = last.id;
    return true;
}

static bool take_leases(struct tx *tx, int answer) {
    for (int row = 0; answer >= 0 && row < pg_rows(tx->link, answer); row++) {
        struct uuid id;
        int64_t due;
        int64_t worker;
        if (!pg_get_uuid(tx->link, answer, row, 0, id.bytes) ||
            !pg_get_int8(tx->link, answer, row, 1, &due) ||
            !pg_get_int8(tx->link, answer, row, 2, &worker))
            return false;
        if (!tx_leases_read(&tx->leases, &id, due, worker))
            return no_room(tx);
    }
    return true;
}

/* Leaves the ids that were found in neither table. One that was seen there before the others were
 * locked may have ended since. */
static void leave_missing(struct tx *tx, struct uuid *ids, int *count, bool is_locked) {
    int kept = 0;
    for (int i = 0; i < *count; i++) {
        const struct tx_row *row = tx_rows_find(tx->rows, &ids[i]);
        if (!row || (is_locked && !row->is_locked))
            ids[kept++] = ids[i];
    }
    *count = kept;
}

/* Notes those of these ids that are nowhere. */
static bool note_absent(struct tx *tx, const struct uuid *ids, int count) {
    for (int i = 0; i < count; i++) {
        const struct tx_row *row = tx_rows_find(tx->rows, &ids[i]);
        if (!(row && row->stored == TX_ENDED) && !tx_rows_read_absent(tx->rows, &ids[i]))
            return no_room(tx);
    }
    return true;
}

/* Looks for the ids that are left, and notes those that are nowhere. */
static bool read_ended(struct tx *tx) {
    struct tx_wants *wants = &tx->wants;
    leave_missing(tx, wants->locked, &wants->locked_count, true);
    leave_missing(tx, wants->seen, &wants->seen_count, false);
    if (wants->locked_count == 0 && wants->seen_count == 0)
        return true;
    int locked = add_ids(tx, PG_SQL_ENDED_SEEN, wants->locked, wants->locked_count);
    int seen = add_ids(tx, PG_SQL_ENDED_SEEN, wants->seen, wants->seen_count);
    return run(tx) && take_rows(tx, locked, false) && take_rows(tx, seen, false) &&
           note_absent(tx, wants->locked, wants->locked_count) &&
           note_absent(tx, wants->seen, wants->seen_count);
}

static bool read_open(struct tx *tx) {
    struct tx_wants *wants = &tx->wants;
    int count = wants->locked_count;
    int keys = wants->has_keys ? tx_claims_add(tx) : -1;
    int work = add_ids(tx, PG_SQL_WORK_LOCKED, wants->locked, count);
    int done = add_ids(tx, PG_SQL_DONE_LOCKED, wants->locked, count);
    int work_seen = add_ids(tx, PG_SQL_WORK_SEEN, wants->seen, wants->seen_count);
    int done_seen = add_ids(tx, PG_SQL_DONE_SEEN, wants->seen, wants->seen_count);
    int leases = add_ids(tx, PG_SQL_LEASES_LOCKED, wants->leases, wants->lease_count);
    int items = add_ids(tx, PG_SQL_WORK_OF_LEASES, wants->leases, wants->lease_count);
    for (int i = 0; i < wants->cursor_count; i++)
        wants->cursors[i].answer = add_cursor(tx, wants->cursors[i].cursor, wants->cursors[i].sql);
    if (!run(tx))
        return false;
    bool good = tx_claims_take(tx, keys);
    for (int i = 0; i < wants->cursor_count && good; i++)
        good = take_cursor(tx, wants->cursors[i].cursor, wants->cursors[i].answer);
    return good && take_rows(tx, work, true) && take_rows(tx, done, true) &&
           take_rows(tx, work_seen, false) && take_rows(tx, done_seen, false) &&
           take_leases(tx, leases) && take_rows(tx, items, true);
}

bool tx_read(struct tx *tx) {
    struct tx_wants *wants = &tx->wants;
    sort_ids(wants->leases, &wants->lease_count);
    leave_out_known(tx, wants->locked, &wants->locked_count, true);
    leave_out_known(tx, wants->seen, &wants->seen_count, false);
    bool nothing = wants->locked_count + wants->seen_count + wants->lease_count == 0 &&
                   wants->cursor_count == 0 && !wants->has_keys && tx->lock < 0;
    bool good = nothing || (read_open(tx) && read_ended(tx));
    wants->locked_count = wants->seen_count = wants->lease_count = wants->cursor_count = 0;
    wants->has_keys = false;
    return good;
}

bool tx_read_due(struct tx *tx, int64_t clock_ms, int32_t most, int *count) {
    int before = tx->leases.count;
    int32_t room = TX_LEASES_MAX - before;
    *count = 0;
    pg_params_clear(&tx->params);
    pg_put_int8(&tx->params, clock_ms);
    pg_put_int4(&tx->params, most < room ? most : room);
    int answer = pg_add(tx->link, PG_SQL_LEASES_DUE, &tx->params);
    if (!run(tx) || !take_leases(tx, answer))
        return false;
    for (int i = before; i < tx->leases.count; i++)
        tx_want_lease(tx, &tx->leases.list[i].id);
    *count = tx->leases.count - before;
    return tx_read(tx);
}

bool tx_read_pulled(struct tx *tx, const uint8_t tag[PULL_TAG_SIZE]) {
    pg_params_clear(&tx->params);
    pg_put_bytea(&tx->params, tag, PULL_TAG_SIZE);
    int answer = pg_add(tx->link, PG_SQL_ENDED_OF_PULL, &tx->params);
    return run(tx) && take_rows(tx, answer, false);
}

/* Whether a row comes before all that a cursor has not come to. */
static bool is_passed(const struct tx_cursor *cursor, const struct tx_row *row, int way) {
    int64_t order = row->key.order;
    int compared = order != cursor->order ? (order > cursor->order ? 1 : -1)
                                          : memcmp(row->item.id.bytes, cursor->id.bytes, ID_SIZE);
    return cursor->is_end || compared * way <= 0;
}

bool tx_next_waiting(struct tx *tx, struct tx_cursor *home, struct tx_row **row) {
    for (;;) {
        *row = tx_rows_next_waiting(tx->rows, (int16_t)home->group);
        if (*row ? is_passed(home, *row, 1) : home->is_end)
            return true;
        if (tx_rows_room(tx->rows) == 0)
            return no_room(tx);
        if (!tx_want_waiting(tx, home) || !tx_read(tx))
            return false;
    }
}

bool tx_next_done(struct tx *tx, struct tx_cursor *client, enum tx_order order,
                  struct tx_row **row) {
    bool oldest = order == TX_OLDEST;
    for (;;) {
        *row = tx_rows_next_done(tx->rows, client->group, oldest);
        if (*row ? is_passed(client, *row, oldest ? 1 : -1) : client->is_end)
            return true;
        if (tx_rows_room(tx->rows) == 0)
            return no_room(tx);
        if (!tx_want_done(tx, client, order) || !tx_read(tx))
            return false;
    }
}
