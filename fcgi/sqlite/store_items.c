/* The operations of clients: enqueue, pull, look, cancel. */

#include <math.h>
#include <openssl/evp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "row.h"
#include "store_sql.h"

enum {
    RANK_PENALTY_MAX_MS = 3600 * 1000,
    WORKER_ALIVE_MS = 60 * 1000,
    RETRY_MAX_SECONDS = 60 /* room may come sooner than the rate says: a cancel, a new worker */
};

/* The sum of remaining stays far from the end of int64_t. */
static const int64_t remaining_sum_max = (int64_t)1 << 62;

/* First in, first out, but an item's size moves it back, an hour at most. */
int64_t store_rank(const struct store *store, int64_t iterations) {
    double penalty = (double)iterations * (double)store->conf->size_penalty_ns / 1e6;
    return store_now_ms(store) +
           (penalty < RANK_PENALTY_MAX_MS ? (int64_t)penalty : RANK_PENALTY_MAX_MS);
}

/* Looks an idempotency key up. NONE when it was never used, OK with the id of then, CONFLICT. */
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

bool store_has_room_for(const struct store *store, int64_t remaining) {
    return store->counts.remaining + store->counts.kept_remaining <= remaining_sum_max - remaining;
}

/* In how many seconds so much will have gone, at the rate at which it went in the last minute; or
 * in the last seconds, should that be sooner. */
static double seconds_until(double amount, double last_minute, double last_ten) {
    double rate = last_minute / 60 > last_ten / 10 ? last_minute / 60 : last_ten / 10;
    return rate > 0 ? amount / rate : RETRY_MAX_SECONDS;
}

/* Notes when there may be room for an item that is refused: more than may be by so many items and
 * so many iterations. */
static void note_retry(struct store *store, int64_t items, int64_t remaining) {
    int64_t now = clock_steady_ms();
    struct queue_work minute = rates_sum(&store->rates, now, 60);
    struct queue_work ten = rates_sum(&store->rates, now, 10);
    double seconds = 1;
    if (items > 0)
        seconds = seconds_until((double)items, (double)minute.pulled, (double)ten.pulled);
    if (remaining > 0) {
        double more =
            seconds_until((double)remaining, (double)minute.iterations, (double)ten.iterations);
        seconds = more > seconds ? more : seconds;
    }
    store->retry_seconds = seconds < 1                   ? 1
                           : seconds < RETRY_MAX_SECONDS ? (int32_t)ceil(seconds)
                                                         : RETRY_MAX_SECONDS;
}

/* Whether there is room for one more item, by count and by work. If not, when there may be. */
static bool has_room(struct store *store, int64_t iterations) {
    const int64_t *items = store->counts.items;
    int64_t count = items[ITEM_WAITING] + items[ITEM_LEASED] + items[ITEM_DONE];
    int64_t more_items = count + 1 - store->conf->items_max;
    int64_t more_work = store->counts.remaining + iterations - 1 - store->conf->remaining_max;
    if (more_items <= 0 && more_work <= 0 && store_has_room_for(store, iterations))
        return true;
    note_retry(store, more_items, more_work);
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
        if (store_is_behind(store)) /* a peer may know the key */
            return QUEUE_PAUSED;
    }
    if (!has_room(store, item->iterations))
        return QUEUE_FULL;
    if (store_wal_is_full(store))
        return QUEUE_PAUSED;
    if (!store_reserve_holds(store))
        return QUEUE_DISK_FULL;
    enum item_state state = item->iterations == 1 ? ITEM_DONE : ITEM_WAITING;
    if (!store_run(store, SQL_ENQUEUE, "udiiitiii", item->id.bytes, item->digest, item->iterations,
                   store_rank(store, item->iterations), store_now_ms(store), key, store->wall_ms,
                   (int64_t)state, store_new_change(store)))
        return QUEUE_FAULT;
    store_count(store, HOME_OWN, state, 1, item->iterations - 1);
    store->counts.work.enqueued++;
    store->counts.work.done += state == ITEM_DONE;
    *id = item->id;
    return QUEUE_OK;
}

/* Reads an item's row; a damaged one poisons the store. */
static bool read_item(struct store *store, sqlite3_stmt *row, struct queue_item *item) {
    if (row_item(row, item))
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
    if (code == SQLITE_ROW && read_item(store, statement, item))
        result = QUEUE_OK;
    store_end(statement);
    return result;
}

/* What a keyed pull is known by: a hash of the key, then top and order, so that one range of the
 * index finds the key whatever they were. */
static bool make_pull_tag(uint8_t tag[PULL_TAG_SIZE], const struct queue_pull *pull) {
    uint8_t hash[EVP_MAX_MD_SIZE];
    if (EVP_Digest(pull->key, strlen(pull->key), hash, NULL, EVP_sha256(), NULL) != 1)
        return false;
    memcpy(tag, hash, PULL_TAG_SIZE - 3);
    tag[PULL_TAG_SIZE - 3] = (uint8_t)(pull->top >> 8);
    tag[PULL_TAG_SIZE - 2] = (uint8_t)pull->top;
    tag[PULL_TAG_SIZE - 1] = (uint8_t)pull->oldest;
    return true;
}

static int earlier(const void *a, const void *b) {
    const struct queue_item *x = a;
    const struct queue_item *y = b;
    if (x->completed_wall_ms != y->completed_wall_ms)
        return x->completed_wall_ms < y->completed_wall_ms ? -1 : 1;
    return memcmp(x->id.bytes, y->id.bytes, sizeof x->id.bytes);
}

static int later(const void *a, const void *b) {
    return earlier(b, a);
}

/* Lists the batch of a keyed pull by when it says that the items were completed, then by id. Every
 * node that has a copy knows both, so the repeated pull has the same order wherever it is answered;
 * the queue clock of done_at is each node's own. */
static void sort(struct queue_batch *batch, const struct queue_pull *pull) {
    qsort(batch->items, (size_t)batch->count, sizeof batch->items[0],
          pull->oldest ? earlier : later);
}

/* Finds the keyed pull that has this one's key. OK when it has the same top and order, NONE,
 * CONFLICT. */
static enum queue_result find_tag(struct store *store, const uint8_t *tag) {
    uint8_t low[PULL_TAG_SIZE];
    uint8_t high[PULL_TAG_SIZE];
    uint8_t found[PULL_TAG_SIZE];
    memcpy(low, tag, PULL_TAG_SIZE);
    memcpy(high, tag, PULL_TAG_SIZE);
    memset(low + PULL_TAG_SIZE - 3, 0x00, 3);
    memset(high + PULL_TAG_SIZE - 3, 0xff, 3);
    sqlite3_stmt *statement = store_bind(store, SQL_PULL_TAG, "pp", low, high);
    if (!statement)
        return QUEUE_FAULT;
    enum queue_result result = QUEUE_FAULT;
    int code = store_step(store, statement);
    if (code == SQLITE_DONE)
        result = QUEUE_NONE;
    else if (code == SQLITE_ROW && store_blob(store, statement, 0, found, PULL_TAG_SIZE))
        result = memcmp(found, tag, PULL_TAG_SIZE) == 0 ? QUEUE_OK : QUEUE_CONFLICT;
    store_end(statement);
    return result;
}

/* What a keyed pull handed out before. OK, NONE when it did not, CONFLICT. */
static enum queue_result pulled_before(struct store *store, const struct queue_pull *pull,
                                       const uint8_t *tag, struct queue_batch *batch) {
    enum queue_result result = find_tag(store, tag);
    if (result != QUEUE_OK)
        return result;
    sqlite3_stmt *statement = store_bind(store, SQL_PULL_AGAIN, "p", tag);
    if (!statement)
        return QUEUE_FAULT;
    int code;
    while ((code = store_step(store, statement)) == SQLITE_ROW && batch->count < QUEUE_PULL_MAX &&
           read_item(store, statement, &batch->items[batch->count]))
        batch->count++;
    store_end(statement);
    sort(batch, pull);
    return code == SQLITE_DONE ? QUEUE_OK : QUEUE_FAULT;
}

/* Marks the items that a pull has found as handed out, all or none. */
static enum queue_result give(struct store *store, const struct queue_pull *pull,
                              const uint8_t *tag, int count) {
    enum sql sql = pull->oldest ? SQL_PULL_GIVE_OLDEST : SQL_PULL_GIVE_LATEST;
    if (count == 0)
        return QUEUE_OK;
    if (!store_run(store, sql, "piii", tag, store_now_ms(store), (int64_t)count,
                   store_new_change(store)))
        return QUEUE_FAULT;
    store->counts.items[ITEM_DONE] -= count;
    store->counts.items[ITEM_PULLED] += count;
    store->counts.work.pulled += count;
    store_note_closed(store, ITEM_PULLED);
    return QUEUE_OK;
}

enum queue_result store_pull(struct store *store, const struct queue_pull *pull,
                             struct queue_batch *batch) {
    uint8_t tag[PULL_TAG_SIZE];
    memset(batch, 0, offsetof(struct queue_batch, items)); /* its gaps are sent too */
    if (store_is_behind(store) && pull->key[0])            /* a peer may know what it was given */
        return QUEUE_PAUSED;
    if (store_is_behind(store)) /* or what was handed out */
        return pull->if_enough ? QUEUE_NONE : QUEUE_OK;
    if (pull->key[0]) {
        enum queue_result result =
            make_pull_tag(tag, pull) ? pulled_before(store, pull, tag, batch) : QUEUE_FAULT;
        if (result != QUEUE_NONE)
            return result;
    }
    if (pull->if_enough && store->counts.items[ITEM_DONE] < pull->top)
        return QUEUE_NONE;
    sqlite3_stmt *statement = store_bind(store, pull->oldest ? SQL_PULL_OLDEST : SQL_PULL_LATEST,
                                         "i", (int64_t)pull->top);
    if (!statement)
        return QUEUE_FAULT;
    int code;
    while ((code = store_step(store, statement)) == SQLITE_ROW && batch->count < QUEUE_PULL_MAX &&
           read_item(store, statement, &batch->items[batch->count]))
        batch->items[batch->count++].state = ITEM_PULLED;
    store_end(statement);
    if (code != SQLITE_DONE)
        return QUEUE_FAULT;
    if (pull->key[0])
        sort(batch, pull);
    return give(store, pull, pull->key[0] ? tag : NULL, batch->count);
}

enum queue_result store_cancel(struct store *store, struct uuid id) {
    if (store_is_behind(store)) /* a peer may know that it is done */
        return QUEUE_PAUSED;
    sqlite3_stmt *statement = store_bind(store, SQL_CANCEL_READ, "u", id.bytes);
    if (!statement)
        return QUEUE_FAULT;
    int code = store_step(store, statement);
    int64_t seq = sqlite3_column_int64(statement, 0);
    enum item_state state = (enum item_state)sqlite3_column_int(statement, 1);
    int64_t remaining = sqlite3_column_int64(statement, 2);
    int home = sqlite3_column_int(statement, 3);
    store_end(statement);
    if (code != SQLITE_ROW)
        return code == SQLITE_DONE ? QUEUE_NONE : QUEUE_FAULT;
    if (state == ITEM_CANCELLED)
        return QUEUE_OK;
    if (state == ITEM_DONE || state == ITEM_PULLED)
        return QUEUE_CONFLICT;
    if (!store_run(store, SQL_CANCEL, "iii", seq, store_now_ms(store), store_new_change(store)))
        return QUEUE_FAULT;
    store_count_move(
        store,
        &(struct move){.home = home, .from = state, .before = remaining, .to = ITEM_CANCELLED});
    return QUEUE_OK;
}

enum queue_result store_tally(struct store *store, struct queue_tally *tally) {
    int64_t now = store_now_ms(store);
    tally->clock_ms = now;
    memcpy(tally->items, store->counts.items, sizeof tally->items);
    tally->remaining = store->counts.remaining;
    int64_t oldest = store_number(store, store_bind(store, SQL_OLDEST, ""), now);
    oldest = store_tally_away(store, tally, oldest);
    tally->oldest_wait_ms = now > oldest ? now - oldest : 0;
    tally->workers =
        store_number(store, store_bind(store, SQL_WORKERS_ALIVE, "i", now - WORKER_ALIVE_MS), -1);
    for (int span = 0; span < QUEUE_SPANS; span++)
        tally->work[span] = rates_sum(&store->rates, clock_steady_ms(), queue_span_seconds[span]);
    return tally->workers >= 0 && store_state(store) == STORE_GOOD ? QUEUE_OK : QUEUE_FAULT;
}
