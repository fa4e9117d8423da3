/* The operations of workers: lease, report, retire; and leases that lapse. */

#include <stddef.h>
#include <string.h>

#include "id.h"
#include "log.h"
#include "progress.h"
#include "store_sql.h"

enum { LAPSE_MAX = 2000 /* leases that lapse in one batch */ };

/* The deadline of a lease given or renewed now; also keeps next_deadline_ms a lower bound. */
static int64_t new_deadline(struct store *store) {
    int64_t deadline = store_now_ms(store) + store->conf->lease_seconds * 1000;
    if (deadline < store->next_deadline_ms)
        store->next_deadline_ms = deadline;
    return deadline;
}

/* Notes that a worker was heard from. Its row's seq, 0 when that failed. */
static int64_t worker_seen(struct store *store, const struct queue_worker *worker) {
    sqlite3_stmt *statement =
        store_bind(store, SQL_WORKER_SEEN, "ttiiii", worker->name, worker->kernel, worker->cores,
                   worker->rate, store->wall_ms, store_now_ms(store));
    if (!statement)
        return 0;
    int64_t seq = 0;
    if (store_step(store, statement) == SQLITE_ROW) {
        seq = sqlite3_column_int64(statement, 0);
        store_step(store, statement);
    }
    store_end(statement);
    return seq;
}

enum queue_result store_retire(struct store *store, const struct queue_worker *worker) {
    int64_t seq = worker_seen(store, worker);
    bool good = seq > 0 && store_run(store, SQL_WORKER_RETIRED, "ii", seq, store->wall_ms);
    return good ? QUEUE_OK : QUEUE_FAULT;
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
    if (worker_seen(store, &request->worker) == 0)
        return QUEUE_FAULT;
    memset(grant, 0, offsetof(struct queue_grant, items)); /* its gaps are sent too */
    grant->ttl_ms = store->conf->lease_seconds * 1000;
    enum queue_result result = leased_before(store, request, grant);
    if (result != QUEUE_NONE || store->counts.items[ITEM_WAITING] == 0)
        return result;
    sqlite3_stmt *statement = store_bind(store, SQL_LEASE_NEXT, "i", (int64_t)request->items);
    if (!statement || !collect(store, statement, request->items, request->iterations, seqs, grant))
        return QUEUE_FAULT;
    int64_t deadline = new_deadline(store);
    grant->returnable = (struct queue_return){request->request, deadline};
    for (int i = 0; i < grant->count; i++) {
        const struct queue_leased *item = &grant->items[i];
        if (!store_run(store, SQL_LEASE_GIVE, "iui", seqs[i], request->request.bytes, deadline)) {
            grant->count = i;
            break;
        }
        store_count_move(store, ITEM_WAITING, item->remaining, ITEM_LEASED, item->remaining);
    }
    if (store_state(store) != STORE_GOOD)
        return QUEUE_FAULT;
    return grant->count > 0 ? QUEUE_OK : QUEUE_NONE;
}

enum queue_result store_return_lease(struct store *store, struct queue_return grant) {
    if (!store_run(store, SQL_LEASE_RETURN, "uii", grant.lease.bytes, store_now_ms(store),
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
                         int64_t reporter) {
    int64_t now = store_now_ms(store);
    int64_t left = item->remaining;
    enum item_state to = ITEM_LEASED;
    bool good = false;
    if (progress == PROGRESS_SAME)
        return true;
    if (progress == PROGRESS_RENEW) {
        good = store_run(store, SQL_REPORT_RENEW, "iii", seq, reporter, new_deadline(store));
    } else if (progress == PROGRESS_ADVANCE) {
        good = store_run(store, SQL_REPORT_ADVANCE, "iiidi", seq, reporter, new_deadline(store),
                         item->chain, left);
    } else if (progress == PROGRESS_RELEASE) {
        to = ITEM_WAITING;
        good = store_run(store, SQL_REPORT_RELEASE, "iidii", seq, reporter, item->chain, left, now);
    } else {
        to = ITEM_DONE;
        good = store_run(store, SQL_REPORT_DONE, "iidii", seq, reporter, item->chain, now,
                         store->wall_ms);
    }
    if (good) {
        store_count_move(store, row->state, row->remaining, to, left);
        store->counts.work.iterations += row->remaining - left;
    }
    return good;
}

enum queue_result store_report(struct store *store, const struct queue_report *report,
                               struct queue_verdict *verdict) {
    int64_t reporter = worker_seen(store, &report->worker);
    if (reporter == 0)
        return QUEUE_FAULT;
    memset(verdict, 0, sizeof *verdict); /* it is sent whole */
    verdict->count = report->count;
    for (int i = 0; i < report->count; i++) {
        const struct queue_report_item *item = &report->items[i];
        struct progress_row row;
        int64_t seq = 0;
        enum queue_result result = store_read_progress(store, item->id, &row, &seq);
        enum progress progress = result == QUEUE_OK ? progress_of(&row, item) : PROGRESS_LOST;
        if (progress == PROGRESS_FAULT)
            log_fault(item, &report->worker);
        verdict->taken[i] = progress != PROGRESS_LOST && progress != PROGRESS_FAULT;
        bool good = result == QUEUE_OK || result == QUEUE_NONE;
        if (verdict->taken[i])
            good = apply_report(store, seq, &row, item, progress, reporter);
        if (!good) /* what was applied so far is taken again when the worker repeats it */
            return QUEUE_FAULT;
    }
    return QUEUE_OK;
}

void store_lapse(struct store *store) {
    int64_t now = store_now_ms(store);
    if (now < store->next_deadline_ms)
        return;
    if (!store_run(store, SQL_LAPSE, "ii", now, (int64_t)LAPSE_MAX))
        return;
    int items = sqlite3_changes(store->database);
    store->counts.items[ITEM_LEASED] -= items;
    store->counts.items[ITEM_WAITING] += items;
    if (items > 0)
        log_info("leases lapsed of items: %d; they wait again", items);
    int64_t next = store_number(store, store_bind(store, SQL_NEXT_DEADLINE, ""), INT64_MAX);
    if (next != INT64_MAX || store->counts.items[ITEM_LEASED] == 0)
        store->next_deadline_ms = next;
}

int64_t store_next_lapse(const struct store *store) {
    if (store->next_deadline_ms == INT64_MAX)
        return INT64_MAX;
    return store->next_deadline_ms - store->clock_offset_ms;
}
