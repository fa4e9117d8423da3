/* The operations of clients on one item: enqueue, look, cancel; and the counts. */

#include <stddef.h>
#include <string.h>

#include "clock.h"
#include "item_columns.h"
#include "log.h"
#include "store/rank.h"
#include "store/retry_after.h"
#include "store_sql.h"

enum { WORKER_ALIVE_MS = 60 * 1000 };

/* Looks an idempotency key up. NONE: never used; OK with the id of its item; CONFLICT: used for
 * another request; FAULT. */
static enum queue_result enqueued_before(struct store *store, const struct queue_enqueue *item,
                                         struct uuid *id) {
    sqlite3_stmt *statement = store_bind(store, SQL_ENQUEUE_AGAIN, "t", item->key);
    if (!statement)
        return QUEUE_FAULT;
    enum queue_result result = QUEUE_FAULT;
    uint8_t digest[DIGEST_SIZE];
    int code = store_step(store, statement);
    if (code == SQLITE_DONE) {
        result = QUEUE_NONE;
    } else if (code == SQLITE_ROW && store_blob(store, statement, 0, id->bytes, ID_SIZE) &&
               store_blob(store, statement, 1, digest, DIGEST_SIZE)) {
        bool same = memcmp(digest, item->digest, DIGEST_SIZE) == 0 &&
                    sqlite3_column_int64(statement, 2) == item->iterations;
        result = same ? QUEUE_OK : QUEUE_CONFLICT;
    }
    store_end(statement);
    return result;
}

static bool has_room_for(const struct store *store, int64_t remaining) {
    return store->counts.remaining <= REMAINING_SUM_MAX - remaining;
}

/* Whether there is room for one more item, by count and by work. If not, notes when there may be.
 */
static bool has_room(struct store *store, int64_t iterations) {
    const int64_t *items = store->counts.items;
    int64_t count = items[ITEM_WAITING] + items[ITEM_LEASED] + items[ITEM_DONE];
    int64_t more_items = count + 1 - store->conf->items_max;
    int64_t more_work = store->counts.remaining + iterations - 1 - store->conf->remaining_max;
    if (more_items <= 0 && more_work <= 0 && has_room_for(store, iterations))
        return true;
    store->retry_seconds = retry_after(&store->rates, clock_steady_ms(), more_items, more_work);
    return false;
}

int32_t store_retry_seconds(const struct store *store) {
    return store->retry_seconds;
}

enum queue_result store_enqueue(struct store *store, const struct queue_enqueue *item,
                                struct uuid *id) {
    const char *key = item->key[0] ? item->key : NULL;
    if (key) {
        enum queue_result result = enqueued_before(store, item, id);
        if (result != QUEUE_NONE)
            return result;
    }
    if (!has_room(store, item->iterations))
        return QUEUE_FULL;
    if (store_wal_is_full(store))
        return QUEUE_PAUSED;
    if (!store_reserve_holds(store))
        return QUEUE_DISK_FULL;
    enum item_state state = item->iterations == 1 ? ITEM_DONE : ITEM_WAITING;
    if (!store_run(store, SQL_ENQUEUE, "udiiitii", item->id.bytes, item->digest, item->iterations,
                   rank_of(store_now_ms(store), item->iterations, store->conf->size_penalty_ns),
                   store_now_ms(store), key, store->wall_ms, (int64_t)state))
        return QUEUE_FAULT;
    store_count_new(store, state, item->iterations - 1);
    store->counts.work.enqueued++;
    store->counts.work.done += state == ITEM_DONE;
    *id = item->id;
    return QUEUE_OK;
}

bool store_read_item(struct store *store, sqlite3_stmt *row, struct queue_item *item) {
    if (item_columns_read(row, item))
        return true;
    log_error("an item has a blob of the wrong size: the database is damaged");
    store->state = STORE_POISONED;
    return false;
}

enum queue_result store_look(struct store *store, struct uuid id, struct queue_item *item) {
    sqlite3_stmt *statement = store_bind(store, SQL_LOOK, "u", id.bytes);
    if (!statement)
        return QUEUE_FAULT;
    int code = store_step(store, statement);
    enum queue_result result = code == SQLITE_DONE ? QUEUE_NONE : QUEUE_FAULT;
    if (code == SQLITE_ROW && store_read_item(store, statement, item))
        result = QUEUE_OK;
    store_end(statement);
    return result;
}

enum queue_result store_cancel(struct store *store, struct uuid id) {
    sqlite3_stmt *statement = store_bind(store, SQL_CANCEL_READ, "u", id.bytes);
    if (!statement)
        return QUEUE_FAULT;
    int code = store_step(store, statement);
    int64_t seq = sqlite3_column_int64(statement, 0);
    enum item_state state = (enum item_state)sqlite3_column_int(statement, 1);
    int64_t remaining = sqlite3_column_int64(statement, 2);
    int64_t worker = sqlite3_column_int64(statement, 3);
    store_end(statement);
    if (code != SQLITE_ROW)
        return code == SQLITE_DONE ? QUEUE_NONE : QUEUE_FAULT;
    if (state == ITEM_CANCELLED)
        return QUEUE_OK;
    if (state == ITEM_DONE || state == ITEM_PULLED)
        return QUEUE_CONFLICT;
    if (!store_run(store, SQL_CANCEL, "ii", seq, store_now_ms(store)) ||
        (state == ITEM_LEASED && !store_in_hand_ended(store, worker)))
        return QUEUE_FAULT;
    store_count_move(store,
                     &(struct move){.from = state, .before = remaining, .to = ITEM_CANCELLED});
    return QUEUE_OK;
}

int64_t store_waiting(const struct store *store) {
    return store->counts.items[ITEM_WAITING];
}

enum queue_result store_tally(struct store *store, struct queue_tally *tally) {
    int64_t now = store_now_ms(store);
    tally->clock_ms = now;
    memcpy(tally->items, store->counts.items, sizeof tally->items);
    tally->remaining = store->counts.remaining;
    int64_t oldest = store_number(store, store_bind(store, SQL_OLDEST, ""), now);
    tally->oldest_wait_ms = now > oldest ? now - oldest : 0;
    store_tally_copying(store, &tally->copying);
    tally->workers =
        store_number(store, store_bind(store, SQL_WORKERS_ALIVE, "i", now - WORKER_ALIVE_MS), -1);
    for (int span = 0; span < QUEUE_SPANS; span++)
        tally->work[span] = rates_sum(&store->rates, clock_steady_ms(), queue_span_seconds[span]);
    return tally->workers >= 0 && store_state(store) == STORE_GOOD ? QUEUE_OK : QUEUE_FAULT;
}
