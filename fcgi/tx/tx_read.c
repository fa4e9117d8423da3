/* What a batch reads. Items move forward only, from work to done to ended, so they are looked for
 * in this order, by a statement each: one that moves meanwhile is found where it comes to. Few are
 * looked for in ended, and in a trip of their own. */

#include <stdlib.h>
#include <string.h>

#include "batch.h"
#include "batch_claims.h"
#include "batch_columns.h"
#include "pg_sql.h"
#include "postgres/pg_answer.h"

static bool note(struct uuid *list, int *count, int most, const struct uuid *id) {
    if (*count == most)
        return false;
    list[(*count)++] = *id;
    return true;
}

bool batch_want_locked(struct batch *batch, const struct uuid *id) {
    return note(batch->wants.locked, &batch->wants.locked_count, BATCH_ROWS_MAX, id);
}

bool batch_want_seen(struct batch *batch, const struct uuid *id) {
    return note(batch->wants.seen, &batch->wants.seen_count, BATCH_ROWS_MAX, id);
}

bool batch_want_lease(struct batch *batch, const struct uuid *lease) {
    return note(batch->wants.leases, &batch->wants.lease_count, BATCH_LEASES_MAX, lease);
}

bool batch_want_key(struct batch *batch, const struct batch_key *key) {
    const struct batch_key *wanted = batch_keys_add(&batch->keys, key);
    batch->wants.has_keys = batch->wants.has_keys || (wanted && !wanted->is_read);
    return wanted != NULL;
}

static bool want_cursor(struct batch *batch, struct batch_cursor *cursor, int sql) {
    struct batch_wants *wants = &batch->wants;
    if (wants->cursor_count == BATCH_CURSORS_MAX)
        return false;
    wants->cursors[wants->cursor_count].cursor = cursor;
    wants->cursors[wants->cursor_count++].sql = sql;
    return true;
}

bool batch_want_waiting(struct batch *batch, struct batch_cursor *home) {
    return want_cursor(batch, home, PG_SQL_WORK_NEXT);
}

bool batch_want_done(struct batch *batch, struct batch_cursor *client, enum batch_order order) {
    return want_cursor(batch, client,
                       order == BATCH_OLDEST ? PG_SQL_DONE_OLDEST : PG_SQL_DONE_LATEST);
}

struct batch_cursor batch_first_done(int64_t client, enum batch_order order, int32_t most) {
    struct batch_cursor first = {.group = client, .most = most};
    first.order = order == BATCH_OLDEST ? INT64_MIN : INT64_MAX;
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
static void leave_out_known(struct batch *batch, struct uuid *ids, int *count, bool is_locked) {
    int kept = 0;
    sort_ids(ids, count);
    for (int i = 0; i < *count; i++) {
        const struct batch_row *row = batch_rows_find(batch->rows, &ids[i]);
        bool known =
            row && (!is_locked || row->is_locked || row->is_absent || row->stored == BATCH_ENDED);
        if (!known)
            ids[kept++] = ids[i];
    }
    *count = kept;
}

/* Adds a statement that takes ids; -1 without any. */
static int add_ids(struct batch *batch, int sql, const struct uuid *ids, int count) {
    if (count == 0)
        return -1;
    pg_params_clear(&batch->params);
    pg_open_array(&batch->params, PG_UUID);
    for (int i = 0; i < count; i++)
        pg_put_uuid(&batch->params, ids[i].bytes);
    pg_close_array(&batch->params);
    return pg_add(batch->link, sql, &batch->params);
}

static int add_cursor(struct batch *batch, const struct batch_cursor *cursor, int sql) {
    struct pg_params *params = &batch->params;
    int32_t room = batch_rows_room(batch->rows);
    pg_params_clear(params);
    if (sql == PG_SQL_WORK_NEXT)
        pg_put_int4(params, (int32_t)cursor->group);
    else
        pg_put_int8(params, cursor->group);
    pg_put_int8(params, cursor->order);
    pg_put_uuid(params, cursor->id.bytes);
    pg_put_int4(params, cursor->most < room ? cursor->most : room);
    return pg_add(batch->link, sql, params);
}

/* Sends the pipeline. The first of a batch tells whether the node still is this writer's. */
static bool run(struct batch *batch) {
    int lock = batch->lock;
    batch->lock = -1;
    if (!pg_run(batch->link, PG_STAYS, BATCH_LIMIT_MS))
        return false;
    if (lock < 0 || pg_rows(batch->link, lock) == 1)
        return true;
    batch->is_replaced = true;
    pg_fault_set(&batch->link->fault, PG_BUG, "another writer has node %d", batch->node);
    return false;
}

static bool no_room(struct batch *batch) {
    pg_fault_set(&batch->link->fault, PG_BUG, "a batch has too many rows");
    return false;
}

/* Takes up the rows of an answer; -1: there is none. */
static bool take_rows(struct batch *batch, int answer, bool is_locked) {
    for (int row = 0; answer >= 0 && row < pg_rows(batch->link, answer); row++) {
        struct item_row item;
        const char *place;
        if (!batch_columns_read(batch->link, answer, row, &item, &place))
            return false;
        if (!batch_rows_read(batch->rows, &item, place, is_locked))
            return no_room(batch);
    }
    return true;
}

/* Takes up the rows that a cursor comes to, and moves it on. */
static bool take_cursor(struct batch *batch, struct batch_cursor *cursor, int answer) {
    int count = pg_rows(batch->link, answer);
    int32_t room = batch_rows_room(batch->rows);
    struct item_row last;
    const char *place;
    cursor->is_end = count < (cursor->most < room ? cursor->most : room);
    if (count == 0)
        return true;
    if (!batch_columns_read(batch->link, answer, count - 1, &last, &place) ||
        !take_rows(batch, answer, true))
        return false;
    cursor->order = last.state == ITEM_DONE ? last.done_at_ms : last.rank;
    cursor->id = last.id;
    return true;
}

static bool take_leases(struct batch *batch, int answer) {
    for (int row = 0; answer >= 0 && row < pg_rows(batch->link, answer); row++) {
        struct uuid id;
        int64_t due;
        int64_t worker;
        if (!pg_get_uuid(batch->link, answer, row, 0, id.bytes) ||
            !pg_get_int8(batch->link, answer, row, 1, &due) ||
            !pg_get_int8(batch->link, answer, row, 2, &worker))
            return false;
        if (!batch_leases_read(&batch->leases, &id, due, worker))
            return no_room(batch);
    }
    return true;
}

/* Leaves the ids that were found in neither table. One that was seen there before the others were
 * locked may have ended since. */
static void leave_missing(struct batch *batch, struct uuid *ids, int *count, bool is_locked) {
    int kept = 0;
    for (int i = 0; i < *count; i++) {
        const struct batch_row *row = batch_rows_find(batch->rows, &ids[i]);
        if (!row || (is_locked && !row->is_locked))
            ids[kept++] = ids[i];
    }
    *count = kept;
}

/* Notes those of these ids that are nowhere. */
static bool note_absent(struct batch *batch, const struct uuid *ids, int count) {
    for (int i = 0; i < count; i++) {
        const struct batch_row *row = batch_rows_find(batch->rows, &ids[i]);
        if (!(row && row->stored == BATCH_ENDED) && !batch_rows_read_absent(batch->rows, &ids[i]))
            return no_room(batch);
    }
    return true;
}

/* Looks for the ids that are left, and notes those that are nowhere. */
static bool read_ended(struct batch *batch) {
    struct batch_wants *wants = &batch->wants;
    leave_missing(batch, wants->locked, &wants->locked_count, true);
    leave_missing(batch, wants->seen, &wants->seen_count, false);
    if (wants->locked_count == 0 && wants->seen_count == 0)
        return true;
    int locked = add_ids(batch, PG_SQL_ENDED_SEEN, wants->locked, wants->locked_count);
    int seen = add_ids(batch, PG_SQL_ENDED_SEEN, wants->seen, wants->seen_count);
    return run(batch) && take_rows(batch, locked, false) && take_rows(batch, seen, false) &&
           note_absent(batch, wants->locked, wants->locked_count) &&
           note_absent(batch, wants->seen, wants->seen_count);
}

static bool read_open(struct batch *batch) {
    struct batch_wants *wants = &batch->wants;
    int count = wants->locked_count;
    int keys = wants->has_keys ? batch_claims_add(batch) : -1;
    int work = add_ids(batch, PG_SQL_WORK_LOCKED, wants->locked, count);
    int done = add_ids(batch, PG_SQL_DONE_LOCKED, wants->locked, count);
    int work_seen = add_ids(batch, PG_SQL_WORK_SEEN, wants->seen, wants->seen_count);
    int done_seen = add_ids(batch, PG_SQL_DONE_SEEN, wants->seen, wants->seen_count);
    int leases = add_ids(batch, PG_SQL_LEASES_LOCKED, wants->leases, wants->lease_count);
    int items = add_ids(batch, PG_SQL_WORK_OF_LEASES, wants->leases, wants->lease_count);
    for (int i = 0; i < wants->cursor_count; i++)
        wants->cursors[i].answer =
            add_cursor(batch, wants->cursors[i].cursor, wants->cursors[i].sql);
    if (!run(batch))
        return false;
    bool good = batch_claims_take(batch, keys);
    for (int i = 0; i < wants->cursor_count && good; i++)
        good = take_cursor(batch, wants->cursors[i].cursor, wants->cursors[i].answer);
    return good && take_rows(batch, work, true) && take_rows(batch, done, true) &&
           take_rows(batch, work_seen, false) && take_rows(batch, done_seen, false) &&
           take_leases(batch, leases) && take_rows(batch, items, true);
}

bool batch_read(struct batch *batch) {
    struct batch_wants *wants = &batch->wants;
    sort_ids(wants->leases, &wants->lease_count);
    leave_out_known(batch, wants->locked, &wants->locked_count, true);
    leave_out_known(batch, wants->seen, &wants->seen_count, false);
    bool nothing = wants->locked_count + wants->seen_count + wants->lease_count == 0 &&
                   wants->cursor_count == 0 && !wants->has_keys && batch->lock < 0;
    bool good = nothing || (read_open(batch) && read_ended(batch));
    wants->locked_count = wants->seen_count = wants->lease_count = wants->cursor_count = 0;
    wants->has_keys = false;
    return good;
}

bool batch_read_due(struct batch *batch, int64_t clock_ms, int32_t most, int *count) {
    int before = batch->leases.count;
    int32_t room = BATCH_LEASES_MAX - before;
    *count = 0;
    pg_params_clear(&batch->params);
    pg_put_int8(&batch->params, clock_ms);
    pg_put_int4(&batch->params, most < room ? most : room);
    int answer = pg_add(batch->link, PG_SQL_LEASES_DUE, &batch->params);
    if (!run(batch) || !take_leases(batch, answer))
        return false;
    for (int i = before; i < batch->leases.count; i++)
        batch_want_lease(batch, &batch->leases.list[i].id);
    *count = batch->leases.count - before;
    return batch_read(batch);
}

/* Whether a row comes before all that a cursor has not come to. */
static bool is_passed(const struct batch_cursor *cursor, const struct batch_row *row, int way) {
    int64_t order = row->key.order;
    int compared = order != cursor->order ? (order > cursor->order ? 1 : -1)
                                          : memcmp(row->item.id.bytes, cursor->id.bytes, ID_SIZE);
    return cursor->is_end || compared * way <= 0;
}

bool batch_next_waiting(struct batch *batch, struct batch_cursor *home, struct batch_row **row) {
    for (;;) {
        *row = batch_rows_next_waiting(batch->rows, (int16_t)home->group);
        if (*row ? is_passed(home, *row, 1) : home->is_end)
            return true;
        if (batch_rows_room(batch->rows) == 0)
            return no_room(batch);
        if (!batch_want_waiting(batch, home) || !batch_read(batch))
            return false;
    }
}

bool batch_next_done(struct batch *batch, struct batch_cursor *client, enum batch_order order,
                     struct batch_row **row) {
    bool oldest = order == BATCH_OLDEST;
    for (;;) {
        *row = batch_rows_next_done(batch->rows, client->group, oldest);
        if (*row ? is_passed(client, *row, oldest ? 1 : -1) : client->is_end)
            return true;
        if (batch_rows_room(batch->rows) == 0)
            return no_room(batch);
        if (!batch_want_done(batch, client, order) || !batch_read(batch))
            return false;
    }
}
