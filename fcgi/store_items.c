#include <openssl/evp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "id.h"
#include "log.h"
#include "progress.h"
#include "row.h"
#include "store_sql.h"

enum {
    RANK_PENALTY_MAX_MS = 3600 * 1000,
    WORKER_ALIVE_MS = 60 * 1000,
    LAPSE_MAX = 2000 /* leases that lapse in one batch */
};

/* The sum of remaining stays far from the end of int64_t. */
static const int64_t remaining_sum_max = (int64_t)1 << 62;

/* Keeps the counts true when an item goes from one state to another with so many remaining before
 * and after. Done, pulled and cancelled items do not count towards the sum of remaining. */
static void count_move(struct store *store, enum item_state from, int64_t before,
                       enum item_state to, int64_t after) {
    store->counts.items[from]--;
    store->counts.items[to]++;
    if (from <= ITEM_LEASED)
        store->counts.remaining -= before;
    if (to <= ITEM_LEASED)
        store->counts.remaining += after;
}

static int64_t now_ms(const struct store *store) {
    return store->counts.clock_ms;
}

/* The deadline of a lease given or renewed now; also keeps next_deadline_ms a lower bound. */
static int64_t new_deadline(struct store *store) {
    int64_t deadline = now_ms(store) + store->conf->lease_seconds * 1000;
    if (deadline < store->next_deadline_ms)
        store->next_deadline_ms = deadline;
    return deadline;
}

/* The order of leasing: first in, first out, but an item's size moves it back, an hour at most. */
static int64_t rank_of(const struct store *store, int64_t iterations) {
    double penalty = (double)iterations * (double)store->conf->size_penalty_ns / 1e6;
    return now_ms(store) + (penalty < RANK_PENALTY_MAX_MS ? (int64_t)penalty : RANK_PENALTY_MAX_MS);
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

/* Whether there is room for one more item, by count and by work. */
static bool has_room(const struct store *store, int64_t iterations) {
    const int64_t *items = store->counts.items;
    return items[ITEM_WAITING] + items[ITEM_LEASED] + items[ITEM_DONE] < store->conf->items_max &&
           store->counts.remaining <= remaining_sum_max - iterations;
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
    enum item_state state = item->iterations == 1 ? ITEM_DONE : ITEM_WAITING;
    if (!store_run(store, SQL_ENQUEUE, "udiiitii", item->id.bytes, item->digest, item->iterations,
                   rank_of(store, item->iterations), now_ms(store), key, store->wall_ms,
                   (int64_t)state))
        return QUEUE_FAULT;
    store->counts.items[state]++;
    store->counts.remaining += item->iterations - 1;
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

static void reverse(struct queue_batch *batch) {
    for (int i = 0, j = batch->count - 1; i < j; i++, j--) {
        struct queue_item item = batch->items[i];
        batch->items[i] = batch->items[j];
        batch->items[j] = item;
    }
}

/* Finds what a keyed pull handed out before. OK with an empty batch when it did not. */
static enum queue_result pulled_before(struct store *store, const struct queue_pull *pull,
                                       const uint8_t *tag, struct queue_batch *batch) {
    uint8_t low[PULL_TAG_SIZE];
    uint8_t high[PULL_TAG_SIZE];
    memcpy(low, tag, PULL_TAG_SIZE);
    memcpy(high, tag, PULL_TAG_SIZE);
    memset(low + PULL_TAG_SIZE - 3, 0x00, 3);
    memset(high + PULL_TAG_SIZE - 3, 0xff, 3);
    sqlite3_stmt *statement = store_bind(store, SQL_PULL_AGAIN, "pp", low, high);
    if (!statement)
        return QUEUE_FAULT;
    enum queue_result result = QUEUE_OK;
    int code = store_step(store, statement);
    while (code == SQLITE_ROW && result == QUEUE_OK) {
        uint8_t found[PULL_TAG_SIZE];
        if (batch->count == QUEUE_PULL_MAX ||
            !store_blob(store, statement, 9, found, PULL_TAG_SIZE) ||
            !read_item(store, statement, &batch->items[batch->count]))
            result = QUEUE_FAULT;
        else if (memcmp(found, tag, PULL_TAG_SIZE) != 0)
            result = QUEUE_CONFLICT;
        batch->count++;
        if (result == QUEUE_OK)
            code = store_step(store, statement);
    }
    store_end(statement);
    if (pull->oldest && result == QUEUE_OK)
        reverse(batch);
    return code == SQLITE_ROW || code == SQLITE_DONE ? result : QUEUE_FAULT;
}

/* Marks the items of a batch as handed out. Items that could not be marked leave the batch. */
static enum queue_result give(struct store *store, const int64_t *seqs, const uint8_t *tag,
                              struct queue_batch *batch) {
    for (int i = 0; i < batch->count; i++) {
        if (!store_run(store, SQL_PULL_GIVE, "ip", seqs[i], tag)) {
            batch->count = i;
            return i > 0 && store_state(store) == STORE_GOOD ? QUEUE_OK : QUEUE_FAULT;
        }
        batch->items[i].state = ITEM_PULLED;
        count_move(store, ITEM_DONE, 0, ITEM_PULLED, 0);
    }
    return QUEUE_OK;
}

enum queue_result store_pull(struct store *store, const struct queue_pull *pull,
                             struct queue_batch *batch) {
    int64_t seqs[QUEUE_PULL_MAX] = {0};
    uint8_t tag[PULL_TAG_SIZE];
    memset(batch, 0, offsetof(struct queue_batch, items)); /* its gaps are sent too */
    if (pull->key[0]) {
        enum queue_result result =
            make_pull_tag(tag, pull) ? pulled_before(store, pull, tag, batch) : QUEUE_FAULT;
        if (result != QUEUE_OK || batch->count > 0)
            return result;
    }
    sqlite3_stmt *statement = store_bind(store, pull->oldest ? SQL_PULL_OLDEST : SQL_PULL_LATEST,
                                         "i", (int64_t)pull->top);
    if (!statement)
        return QUEUE_FAULT;
    int code;
    while ((code = store_step(store, statement)) == SQLITE_ROW && batch->count < QUEUE_PULL_MAX &&
           read_item(store, statement, &batch->items[batch->count]))
        seqs[batch->count++] = sqlite3_column_int64(statement, 8);
    store_end(statement);
    if (code != SQLITE_DONE)
        return QUEUE_FAULT;
    return give(store, seqs, pull->key[0] ? tag : NULL, batch);
}

/* An item's row as a report or a cancellation needs it. *seq is 0 when there is none. */
static enum queue_result read_progress(struct store *store, struct uuid id,
                                       struct progress_row *row, int64_t *seq) {
    *seq = 0;
    *row = (struct progress_row){0};
    sqlite3_stmt *statement = store_bind(store, SQL_REPORT_READ, "u", id.bytes);
    if (!statement)
        return QUEUE_FAULT;
    enum queue_result result = QUEUE_FAULT;
    int code = store_step(store, statement);
    if (code == SQLITE_DONE)
        result = QUEUE_NONE;
    if (code == SQLITE_ROW && store_blob(store, statement, 4, row->chain, DIGEST_SIZE)) {
        *seq = sqlite3_column_int64(statement, 0);
        row->state = (enum item_state)sqlite3_column_int(statement, 1);
        row->has_lease = sqlite3_column_type(statement, 2) != SQLITE_NULL;
        row->remaining = sqlite3_column_int64(statement, 3);
        if (!row->has_lease || store_blob(store, statement, 2, row->lease.bytes, ID_SIZE))
            result = QUEUE_OK;
    }
    store_end(statement);
    return result;
}

enum queue_result store_cancel(struct store *store, struct uuid id) {
    struct progress_row row;
    int64_t seq;
    enum queue_result result = read_progress(store, id, &row, &seq);
    if (result != QUEUE_OK || row.state == ITEM_CANCELLED)
        return result;
    if (row.state == ITEM_DONE || row.state == ITEM_PULLED)
        return QUEUE_CONFLICT;
    if (!store_run(store, SQL_CANCEL, "i", seq))
        return QUEUE_FAULT;
    count_move(store, row.state, row.remaining, ITEM_CANCELLED, 0);
    return QUEUE_OK;
}

/* Collects the items of a lease statement (seq, id, chain, remaining) until they are too many or,
 * but for the first, too long in sum. */
static bool collect(struct store *store, sqlite3_stmt *statement, int most, int64_t iterations,
                    int64_t seqs[QUEUE_LEASE_MAX], struct queue_grant *grant) {
    int64_t sum = 0;
    grant->count = 0;
    while (grant->count < most && store_step(store, statement) == SQLITE_ROW) {
        struct queue_leased *item = &grant->items[grant->count];
        item->remaining = sqlite3_column_int64(statement, 3);
        if (grant->count > 0 && item->remaining > iterations - sum)
            break;
        if (!store_blob(store, statement, 1, item->id.bytes, ID_SIZE) ||
            !store_blob(store, statement, 2, item->chain, DIGEST_SIZE))
            break;
        sum = item->remaining > iterations ? iterations : sum + item->remaining;
        seqs[grant->count++] = sqlite3_column_int64(statement, 0);
    }
    store_end(statement);
    return store_state(store) == STORE_GOOD;
}

/* The items that a lease of this id holds already, renewed; the same request came before. */
static enum queue_result leased_before(struct store *store, const struct queue_lease *request,
                                       struct queue_grant *grant) {
    int64_t seqs[QUEUE_LEASE_MAX] = {0};
    sqlite3_stmt *statement = store_bind(store, SQL_LEASE_AGAIN, "u", request->request.bytes);
    if (!statement || !collect(store, statement, QUEUE_LEASE_MAX, INT64_MAX, seqs, grant))
        return QUEUE_FAULT;
    /* One more than it might have been given in this very batch: it must not be taken for that one.
     */
    int64_t deadline = new_deadline(store) + 1;
    grant->returnable = (struct queue_return){request->request, deadline};
    for (int i = 0; i < grant->count; i++) {
        if (!store_run(store, SQL_LEASE_RENEW, "ii", seqs[i], deadline))
            return QUEUE_FAULT;
    }
    return grant->count > 0 ? QUEUE_OK : QUEUE_NONE;
}

enum queue_result store_lease(struct store *store, const struct queue_lease *request,
                              struct queue_grant *grant) {
    int64_t seqs[QUEUE_LEASE_MAX] = {0};
    memset(grant, 0, offsetof(struct queue_grant, items)); /* its gaps are sent too */
    int64_t worker = store_worker_seen(store, &request->worker, &grant->drain);
    if (worker == 0)
        return QUEUE_FAULT;
    grant->ttl_ms = store->conf->lease_seconds * 1000;
    enum queue_result result = leased_before(store, request, grant);
    if (result == QUEUE_NONE && grant->drain)
        return QUEUE_OK;
    if (result != QUEUE_NONE || store->counts.items[ITEM_WAITING] == 0)
        return result;
    sqlite3_stmt *statement = store_bind(store, SQL_LEASE_NEXT, "i", (int64_t)request->items);
    if (!statement || !collect(store, statement, request->items, request->iterations, seqs, grant))
        return QUEUE_FAULT;
    int64_t deadline = new_deadline(store);
    grant->returnable = (struct queue_return){request->request, deadline};
    for (int i = 0; i < grant->count; i++) {
        const struct queue_leased *item = &grant->items[i];
        if (!store_run(store, SQL_LEASE_GIVE, "iuii", seqs[i], request->request.bytes, deadline,
                       worker)) {
            grant->count = i;
            break;
        }
        count_move(store, ITEM_WAITING, item->remaining, ITEM_LEASED, item->remaining);
    }
    if (store_state(store) != STORE_GOOD)
        return QUEUE_FAULT;
    return grant->count > 0 ? QUEUE_OK : QUEUE_NONE;
}

enum queue_result store_return_lease(struct store *store, struct queue_return grant) {
    if (!store_run(store, SQL_LEASE_RETURN, "uii", grant.lease.bytes, now_ms(store),
                   grant.deadline_ms))
        return QUEUE_FAULT;
    int items = sqlite3_changes(store->database);
    store->counts.items[ITEM_LEASED] -= items;
    store->counts.items[ITEM_WAITING] += items;
    return QUEUE_OK;
}

/* Somebody computed another chain for the same link. It is refused, and an operator must know. */
static void log_fault(const struct queue_report_item *item, const struct queue_worker *worker) {
    char text[ID_TEXT_SIZE];
    id_format(text, item->id);
    log_error("item %s: worker %s (kernel %s) reports another chain than is stored for %lld "
              "iterations remaining; it was refused: check that worker's machine",
              text, worker->name, worker->kernel, (long long)item->remaining);
}

/* Writes what a report that was not refused does to its row. Whether the store did it. */
static bool apply_report(struct store *store, int64_t seq, const struct progress_row *row,
                         const struct queue_report_item *item, enum progress progress,
                         int64_t worker) {
    int64_t now = now_ms(store);
    int64_t left = item->remaining;
    enum item_state to = ITEM_LEASED;
    bool good = false;
    if (progress == PROGRESS_SAME)
        return true;
    if (progress == PROGRESS_RENEW) {
        good = store_run(store, SQL_REPORT_RENEW, "iii", seq, worker, new_deadline(store));
    } else if (progress == PROGRESS_ADVANCE) {
        good = store_run(store, SQL_REPORT_ADVANCE, "iiidi", seq, worker, new_deadline(store),
                         item->chain, left);
    } else if (progress == PROGRESS_RELEASE) {
        to = ITEM_WAITING;
        good = store_run(store, SQL_REPORT_RELEASE, "iidii", seq, worker, item->chain, left, now);
    } else {
        to = ITEM_DONE;
        good = store_run(store, SQL_REPORT_DONE, "iidii", seq, worker, item->chain, now,
                         store->wall_ms);
    }
    if (good)
        count_move(store, row->state, row->remaining, to, left);
    return good;
}

enum queue_result store_report(struct store *store, const struct queue_report *report,
                               struct queue_verdict *verdict) {
    memset(verdict, 0, sizeof *verdict); /* it is sent whole */
    int64_t worker = store_worker_seen(store, &report->worker, &verdict->drain);
    if (worker == 0)
        return QUEUE_FAULT;
    verdict->count = report->count;
    for (int i = 0; i < report->count; i++) {
        const struct queue_report_item *item = &report->items[i];
        struct progress_row row;
        int64_t seq = 0;
        enum queue_result result = read_progress(store, item->id, &row, &seq);
        enum progress progress = result == QUEUE_OK ? progress_of(&row, item) : PROGRESS_LOST;
        if (progress == PROGRESS_FAULT)
            log_fault(item, &report->worker);
        verdict->taken[i] = progress != PROGRESS_LOST && progress != PROGRESS_FAULT;
        bool good = result == QUEUE_OK || result == QUEUE_NONE;
        if (verdict->taken[i])
            good = apply_report(store, seq, &row, item, progress, worker);
        if (!good) /* what was applied so far is taken again when the worker repeats it */
            return QUEUE_FAULT;
    }
    return QUEUE_OK;
}

/* The number that a one-row statement gives; absent when it is NULL or fails. */
static int64_t read_number(struct store *store, sqlite3_stmt *statement, int64_t absent) {
    int64_t number = absent;
    if (statement && store_step(store, statement) == SQLITE_ROW &&
        sqlite3_column_type(statement, 0) != SQLITE_NULL)
        number = sqlite3_column_int64(statement, 0);
    if (statement)
        store_end(statement);
    return number;
}

enum queue_result store_tally(struct store *store, struct queue_tally *tally) {
    int64_t now = now_ms(store);
    tally->clock_ms = now;
    memcpy(tally->items, store->counts.items, sizeof tally->items);
    tally->remaining = store->counts.remaining;
    int64_t oldest = read_number(store, store_bind(store, SQL_OLDEST, ""), now);
    tally->oldest_wait_ms = now > oldest ? now - oldest : 0;
    tally->workers =
        read_number(store, store_bind(store, SQL_WORKERS_ALIVE, "i", now - WORKER_ALIVE_MS), -1);
    return tally->workers >= 0 && store_state(store) == STORE_GOOD ? QUEUE_OK : QUEUE_FAULT;
}

int64_t store_waiting(const struct store *store) {
    return store->counts.items[ITEM_WAITING];
}

void store_lapse(struct store *store) {
    int64_t now = now_ms(store);
    if (now < store->next_deadline_ms)
        return;
    if (!store_run(store, SQL_LAPSE, "ii", now, (int64_t)LAPSE_MAX))
        return;
    int items = sqlite3_changes(store->database);
    store->counts.items[ITEM_LEASED] -= items;
    store->counts.items[ITEM_WAITING] += items;
    if (items > 0)
        log_info("leases lapsed of items: %d; they wait again", items);
    int64_t next = read_number(store, store_bind(store, SQL_NEXT_DEADLINE, ""), INT64_MAX);
    if (next != INT64_MAX || store->counts.items[ITEM_LEASED] == 0)
        store->next_deadline_ms = next;
}

int64_t store_next_lapse(const struct store *store) {
    if (store->next_deadline_ms == INT64_MAX)
        return INT64_MAX;
    return store->next_deadline_ms - store->clock_offset_ms;
}
