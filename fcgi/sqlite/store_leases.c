/* The operations of workers: lease, report. */

#include <stddef.h>
#include <string.h>

#include "store_sql.h"

enum {
    SEQ_DIGITS_MAX = 19 /* of an item.seq */
};

static int64_t idle_max_ms(const struct sqlite_store *store) {
    return judge_idle_max_ms(store->conf->lease_seconds);
}

/* The deadline of a lease given or renewed now; also keeps next_deadline_ms a lower bound. */
static int64_t new_deadline(struct sqlite_store *store) {
    int64_t deadline = store_now_ms(store) + store->conf->lease_seconds * 1000;
    if (deadline < store->next_deadline_ms)
        store->next_deadline_ms = deadline;
    return deadline;
}

/* The rows of a grant's items. */
struct grant_rows {
    int64_t seq[QUEUE_LEASE_MAX];
    int64_t client[QUEUE_LEASE_MAX];
    int64_t rank[QUEUE_LEASE_MAX];
    int64_t since_ms[QUEUE_LEASE_MAX]; /* queue clock: since when it waits */
};

/* Adds the items of a lease statement (id, chain, remaining, client, rank, since, seq) to a grant:
 * at most `most` items and, except for the first one, at most `iterations` links in all. */
static bool collect(struct sqlite_store *store, sqlite3_stmt *statement, int most,
                    int64_t iterations, struct queue_grant *grant, struct grant_rows *rows) {
    int64_t sum = 0;
    for (int i = 0; i < grant->count; i++)
        sum = grant->items[i].remaining > iterations - sum ? iterations
                                                           : sum + grant->items[i].remaining;
    while (grant->count < most && store_step(store, statement) == SQLITE_ROW) {
        struct queue_leased *item = &grant->items[grant->count];
        item->remaining = sqlite3_column_int64(statement, 2);
        if (grant->count > 0 && item->remaining > iterations - sum)
            break;
        if (!store_blob(store, statement, 0, item->id.bytes, ID_SIZE) ||
            !store_blob(store, statement, 1, item->chain, DIGEST_SIZE))
            break;
        sum = item->remaining > iterations - sum ? iterations : sum + item->remaining;
        rows->client[grant->count] = sqlite3_column_int64(statement, 3);
        rows->rank[grant->count] = sqlite3_column_int64(statement, 4);
        rows->since_ms[grant->count] = sqlite3_column_int64(statement, 5);
        rows->seq[grant->count] = sqlite3_column_int64(statement, 6);
        grant->count++;
    }
    store_end(statement);
    return store_state_of(store) == STORE_GOOD;
}

/* Renews the lease of this id if the same request came before, but for items without progress for
 * too long, and gives the items that it still holds. NONE when it holds none; CONFLICT when it is
 * another identity's. */
static enum queue_result leased_before(struct sqlite_store *store,
                                       const struct queue_lease *request,
                                       struct queue_grant *grant) {
    const uint8_t *lease = request->request.bytes;
    struct grant_rows rows;
    sqlite3_stmt *statement = store_bind(store, SQL_LEASE_AGAIN, "u", lease);
    if (!statement || !collect(store, statement, QUEUE_LEASE_MAX, INT64_MAX, grant, &rows))
        return QUEUE_FAULT;
    if (grant->count == 0)
        return QUEUE_NONE;
    statement = store_bind(store, SQL_LEASE_OF_OTHERS, "ut", lease, request->worker.identity);
    if (store_number(store, statement, 1) > 0) {
        grant->count = 0;
        return QUEUE_CONFLICT;
    }
    /* One more than a grant of this same batch has: returning that one must not return this. */
    int64_t deadline = new_deadline(store) + 1;
    grant->returnable = (struct queue_return){request->request, deadline};
    int64_t moved_since = store_now_ms(store) - idle_max_ms(store);
    bool good = store_run(store, SQL_LEASE_RENEW, "uii", lease, deadline, moved_since) &&
                store_run(store, SQL_LEASE_DUE, "ui", lease, deadline);
    return good ? QUEUE_OK : QUEUE_FAULT;
}

/* Appends a number, with a character before it. Returns the end. */
static char *put_seq(char *to, char before, int64_t seq) {
    char digits[SEQ_DIGITS_MAX];
    int count = 0;
    *to++ = before;
    do
        digits[count++] = (char)('0' + seq % 10);
    while ((seq /= 10) > 0 && count < SEQ_DIGITS_MAX);
    while (count > 0)
        *to++ = digits[--count];
    return to;
}

/* Writes the items of a lease into its row. */
static bool hold(struct sqlite_store *store, const uint8_t *lease, int64_t deadline_ms,
                 const int64_t *seq, int count) {
    char items[QUEUE_LEASE_MAX * (SEQ_DIGITS_MAX + 1) + 2];
    char *end = items;
    for (int i = 0; i < count; i++)
        end = put_seq(end, i == 0 ? '[' : ',', seq[i]);
    memcpy(end, "]", 2);
    return store_run(store, SQL_LEASE_HOLD, "uiit", lease, deadline_ms, (int64_t)count, items);
}

/* Notes in the row of a lease that it holds so many items less: with the last one it goes. */
static bool let_go(struct sqlite_store *store, const uint8_t *lease, int64_t items) {
    if (items == 0)
        return true;
    return store_run(store, SQL_LEASE_END, "ui", lease, items) &&
           (sqlite3_changes(store->database) > 0 ||
            store_run(store, SQL_LEASE_LESS, "ui", lease, items));
}

/* A lease that is being given. */
struct giving {
    const struct queue_lease *request;
    struct queue_grant *grant;
    int32_t most; /* items, at least 1 */
    int64_t worker;
    int64_t deadline_ms;
};

/* Leases waiting items to the grant, within the limits of the request. False after a failure. */
static bool give(struct sqlite_store *store, const struct giving *giving) {
    const struct queue_lease *request = giving->request;
    struct queue_grant *grant = giving->grant;
    struct grant_rows rows = {.seq = {0}};
    sqlite3_stmt *next = store_bind(store, SQL_LEASE_NEXT, "i", (int64_t)giving->most);
    if (!next || !collect(store, next, giving->most, request->iterations, grant, &rows))
        return false;
    if (grant->count == 0)
        return true;
    if (!store_run(store, SQL_LEASE_GIVE, "uiiiii", request->request.bytes, giving->deadline_ms,
                   (int64_t)grant->count, giving->worker, store_now_ms(store), store->wall_ms) ||
        sqlite3_changes(store->database) != grant->count ||
        !hold(store, request->request.bytes, giving->deadline_ms, rows.seq, grant->count)) {
        store_lose(store);
        return false;
    }
    for (int i = 0; i < grant->count; i++) {
        const struct client *client = clients_at(&store->ledger.clients, rows.client[i]);
        ledger_move_items(&store->ledger, rows.client[i], 1, ITEM_WAITING, ITEM_LEASED);
        metrics_note(&store->ledger.done.waits, &metrics_waits,
                     store_now_ms(store) - rows.since_ms[i]);
        if (client)
            rank_leased(&store->ledger.counts.rank, &client->rank, rows.rank[i]);
    }
    return true;
}

enum queue_result sqlite_lease(struct store *base, const struct queue_lease *request,
                               struct queue_grant *grant) {
    struct sqlite_store *store = sqlite_of(base);
    memset(grant, 0, offsetof(struct queue_grant, items)); /* its padding is sent, too */
    int64_t worker;
    enum queue_result result = store_worker_seen(store, &request->worker, &worker, &grant->drain);
    if (result != QUEUE_OK)
        return result;
    grant->ttl_ms = store->conf->lease_seconds * 1000;
    result = leased_before(store, request, grant);
    if (result == QUEUE_NONE && grant->drain)
        return QUEUE_OK;
    if (result != QUEUE_NONE || sqlite_leasable(base) == 0)
        return result;
    int32_t most = store_in_hand_room(store, &request->worker, request->items);
    if (most <= 0)
        return most < 0 ? QUEUE_FAULT : QUEUE_ENOUGH;
    struct giving giving = {request, grant, most, worker, new_deadline(store)};
    if (!give(store, &giving))
        return QUEUE_FAULT;
    in_hand_add(&store->in_hand, request->worker.identity, grant->count);
    grant->returnable = (struct queue_return){request->request, giving.deadline_ms};
    return grant->count > 0 ? QUEUE_OK : QUEUE_NONE;
}

enum queue_result sqlite_return_lease(struct store *base, struct queue_return grant) {
    struct sqlite_store *store = sqlite_of(base);
    sqlite3_stmt *statement = store_bind(store, SQL_LEASE_RETURN, "uii", grant.lease.bytes,
                                         store_now_ms(store), grant.deadline_ms);
    int64_t items = store_take_back(store, statement);
    return items >= 0 && let_go(store, grant.lease.bytes, items) ? QUEUE_OK : QUEUE_FAULT;
}

/* A row of report_read. */
struct report_row {
    int64_t seq;
    int64_t client;
    int64_t worker; /* that leased or reported it last */
    struct progress_row progress;
};

/* Who reports. */
struct reporter {
    const struct queue_worker *worker;
    int64_t seq;
    int64_t same; /* seq of another worker of the same identity, found last; 0: none */
    struct judge judge;
    bool impossible; /* it reports what cannot be: nothing of it is taken */
};

/* Whether an item is leased to the identity that reports it. */
static bool has_leased(struct sqlite_store *store, const struct report_row *found,
                       struct reporter *reporter) {
    if (found->worker == reporter->seq || found->worker == reporter->same)
        return true;
    sqlite3_stmt *statement =
        store_bind(store, SQL_WORKER_OF_OTHER, "it", found->worker, reporter->worker->identity);
    if (store_number(store, statement, 1) > 0)
        return false;
    reporter->same = found->worker;
    return true;
}

/* Whether the one who reports an item that has lapsed may go on with it. */
static bool may_take_up(struct sqlite_store *store, const struct reporter *reporter) {
    int32_t wanted = reporter->judge.in_hand + 1;
    return store_in_hand_room(store, reporter->worker, wanted) >= wanted;
}

/* Judges one item of a report by its row, and notes the change to make. True when it is taken. */
static bool judge(struct sqlite_store *store, int n, const struct report_row *found,
                  struct reporter *reporter) {
    const struct progress_row *row = &found->progress;
    struct report_table *rows = &store->report_table;
    const struct queue_report_item *item = &rows->items[n];
    enum progress progress = progress_of(row, item, idle_max_ms(store));
    if (progress != PROGRESS_LOST && !has_leased(store, found, reporter))
        return false;
    if (progress == PROGRESS_FAULT)
        judge_log_fault(&store->faults, item, reporter->worker);
    if (progress == PROGRESS_IMPOSSIBLE) {
        store_quarantine_for(store, reporter->worker, item, row);
        reporter->impossible = true;
    }
    store->ledger.done.counts[METRICS_FAULTS] +=
        progress == PROGRESS_FAULT || progress == PROGRESS_IMPOSSIBLE;
    if (judge_refuses(progress))
        return false;
    bool may_hold = !judge_takes_up(row, progress) || may_take_up(store, reporter);
    struct judged judged = judge_item(&reporter->judge, row, item, progress, may_hold);
    if (!judged.changes)
        return true;
    rows->seq[n] = found->seq;
    rows->state[n] = (uint8_t)judged.to;
    rows->strike[n] = judged.strike;
    store->report_moves[n] = (struct move){.client = found->client,
                                           .from = row->state,
                                           .to = judged.to,
                                           .before = row->remaining,
                                           .after = item->remaining};
    return judged.taken;
}

static bool read_row(struct sqlite_store *store, sqlite3_stmt *statement,
                     struct report_row *found) {
    struct progress_row *row = &found->progress;
    found->seq = sqlite3_column_int64(statement, 1);
    row->state = (enum item_state)sqlite3_column_int(statement, 2);
    row->has_lease = sqlite3_column_type(statement, 3) != SQLITE_NULL;
    row->remaining = sqlite3_column_int64(statement, 4);
    row->has_grant = sqlite3_column_type(statement, 7) != SQLITE_NULL;
    row->granted = sqlite3_column_int64(statement, 6);
    int64_t clock_ms = store_now_ms(store) - sqlite3_column_int64(statement, 7);
    int64_t wall_ms = store->wall_ms - sqlite3_column_int64(statement, 8);
    row->elapsed_ms = clock_ms > wall_ms ? clock_ms : wall_ms; /* one stands still, one is set */
    row->idle_ms = row->has_grant ? store_now_ms(store) - sqlite3_column_int64(statement, 9) : 0;
    found->worker = sqlite3_column_int64(statement, 10);
    found->client = sqlite3_column_int64(statement, 11);
    return (!row->has_lease || store_blob(store, statement, 3, row->lease.bytes, ID_SIZE)) &&
           store_blob(store, statement, 5, row->chain, DIGEST_SIZE);
}

/* Judges the items of store->report_table, whose ids all differ. */
static bool judge_all(struct sqlite_store *store, struct reporter *reporter,
                      struct queue_verdict *verdict) {
    struct report_row row = {0};
    int code = SQLITE_ERROR;
    sqlite3_stmt *statement = store_bind(store, SQL_REPORT_READ, "");
    if (!statement)
        return false;
    while ((code = store_step(store, statement)) == SQLITE_ROW &&
           read_row(store, statement, &row)) {
        int n = sqlite3_column_int(statement, 0);
        verdict->taken[n] = judge(store, n, &row, reporter);
    }
    store_end(statement);
    return code == SQLITE_DONE;
}

/* Notes in the rows of the leases until when they hold the items that stay leased. A lease that
 * had lapsed may have lost its row. */
static bool hold_all(struct sqlite_store *store, int64_t deadline_ms) {
    const struct report_table *rows = &store->report_table;
    const uint8_t *last = NULL;
    bool good = true;
    for (int n = rows->table.first; n < rows->table.end && good; n++) {
        const uint8_t *lease = rows->items[n].lease.bytes;
        if (rows->seq[n] == 0 || rows->state[n] != ITEM_LEASED)
            continue;
        if (store->report_moves[n].from == ITEM_WAITING)
            good = store_run(store, SQL_LEASE_HOLD_AGAIN, "uii", lease, deadline_ms, rows->seq[n]);
        else if (!last || memcmp(last, lease, ID_SIZE) != 0)
            good = store_run(store, SQL_LEASE_DUE, "ui", lease, deadline_ms);
        last = lease;
    }
    return good;
}

/* Notes in the rows of the leases which items they hold no more. */
static bool let_all_go(struct sqlite_store *store) {
    const struct report_table *rows = &store->report_table;
    const uint8_t *lease = NULL;
    int64_t items = 0;
    bool good = true;
    for (int n = rows->table.first; n < rows->table.end && good; n++) {
        const struct move *move = &store->report_moves[n];
        if (rows->seq[n] == 0 || move->from != ITEM_LEASED || move->to == ITEM_LEASED)
            continue;
        if (lease && memcmp(lease, rows->items[n].lease.bytes, ID_SIZE) != 0) {
            good = let_go(store, lease, items);
            items = 0;
        }
        lease = rows->items[n].lease.bytes;
        items++;
    }
    return good && (!lease || let_go(store, lease, items));
}

/* Makes the changes that judge_all has noted. */
static bool apply_all(struct sqlite_store *store, const struct reporter *reporter) {
    const struct report_table *rows = &store->report_table;
    if (reporter->judge.on_way && !store_points_note(store, reporter->seq))
        return false;
    int64_t deadline = new_deadline(store);
    if (reporter->judge.results && !store_run(store, SQL_REPORT_DONE, "iii", reporter->seq,
                                              store_now_ms(store), store->wall_ms))
        return false;
    if (reporter->judge.others &&
        (!store_run(store, SQL_REPORT_APPLY, "iii", reporter->seq, deadline, store_now_ms(store)) ||
         !hold_all(store, deadline)))
        return false;
    for (int n = rows->table.first; n < rows->table.end; n++) {
        const struct move *move = &store->report_moves[n];
        if (rows->seq[n] == 0)
            continue;
        ledger_move(&store->ledger, move);
        store->ledger.counts.work.iterations += move->before - move->after;
    }
    return let_all_go(store);
}

enum queue_result sqlite_report(struct store *base, const struct queue_report *report,
                                struct queue_verdict *verdict) {
    struct sqlite_store *store = sqlite_of(base);
    struct report_table *rows = &store->report_table;
    memset(verdict, 0, sizeof *verdict); /* it is sent whole */
    int64_t worker;
    enum queue_result result = store_worker_seen(store, &report->worker, &worker, &verdict->drain);
    if (result != QUEUE_OK)
        return result;
    struct reporter reporter = {.worker = &report->worker, .seq = worker};
    verdict->count = report->count;
    memset(rows->seq, 0, sizeof rows->seq);
    rows->items = report->items;
    rows->table.end = 0;
    while (rows->table.end < report->count) {
        rows->table.first = rows->table.end;
        rows->last = rows->table.first;
        reporter.judge = (struct judge){0};
        rows->table.end = judge_end_of_run(report, rows->table.first);
        /* Runs that were applied before a failure are taken again when the worker repeats them. */
        if (!judge_all(store, &reporter, verdict))
            return QUEUE_FAULT;
        if (reporter.impossible) {
            memset(verdict->taken + rows->table.first, 0,
                   sizeof verdict->taken - (size_t)rows->table.first);
            break;
        }
        if (!apply_all(store, &reporter))
            return QUEUE_FAULT;
        in_hand_add(&store->in_hand, report->worker.identity, reporter.judge.in_hand);
        store_in_hand_worked(store, report->worker.identity, &reporter.judge.work);
    }
    return QUEUE_OK;
}
