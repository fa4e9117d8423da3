/* What workers report. */

#include <string.h>

#include "pg_store.h"

/* Who reports, and what of a run of the report's items. */
struct reporter {
    const struct queue_worker *worker;
    int64_t seq;
    int64_t same;    /* seq of another worker of the same identity, found last; 0: none */
    bool impossible; /* it reports what cannot be: nothing of it is taken */
    struct judge judge;
    struct change {
        struct tx_row *row; /* NULL: nothing changes */
        struct judged judged;
    } changes[QUEUE_LEASE_MAX];
};

/* The row by which an item is judged. */
static struct progress_row progress_row(const struct pg_store *store, const struct item_row *item) {
    struct progress_row row = {.state = item->state,
                               .has_lease = item->has_lease,
                               .lease = item->lease,
                               .remaining = item->remaining,
                               .has_grant = item->granted_at_ms != 0,
                               .granted = item->granted};
    int64_t clock_ms = pg_store_now_ms(store) - item->granted_at_ms;
    int64_t wall_ms = store->wall_ms - item->granted_wall_ms;
    row.elapsed_ms = clock_ms > wall_ms ? clock_ms : wall_ms; /* one stands still, one is set */
    row.idle_ms = row.has_grant ? pg_store_now_ms(store) - item->moved_ms : 0;
    memcpy(row.chain, item->chain, DIGEST_SIZE);
    return row;
}

/* Whether an item is leased to the identity that reports it. OK, NONE, FAULT. */
static enum queue_result has_leased(struct pg_store *store, const struct item_row *item,
                                    struct reporter *reporter) {
    if (item->worker == reporter->seq || item->worker == reporter->same)
        return QUEUE_OK;
    enum queue_result result = pg_store_is_same(store, item->worker, reporter->worker);
    if (result == QUEUE_OK)
        reporter->same = item->worker;
    return result;
}

/* Puts the identity of a worker into quarantine that reported what cannot be. */
static enum queue_result begin_quarantine(struct pg_store *store, const struct reporter *reporter,
                                          const struct queue_report_item *item,
                                          const struct progress_row *row) {
    struct queue_quarantine quarantine = judge_quarantine(reporter->worker, item, row);
    enum queue_result result = postgres_quarantine(&store->base, &quarantine);
    if (result == QUEUE_OK)
        judge_log_quarantine(&quarantine);
    return result == QUEUE_FAULT ? QUEUE_FAULT : QUEUE_OK;
}

/* Judges one item, and notes the change to make. *taken: as the worker is told. OK, FAULT. */
static enum queue_result judge(struct pg_store *store, struct reporter *reporter,
                               const struct queue_report_item *item, struct change *change,
                               uint8_t *taken) {
    struct tx_row *row;
    enum queue_result result = pg_store_item(store, &item->id, false, &row);
    if (result != QUEUE_OK)
        return result == QUEUE_NONE ? QUEUE_OK : result;
    const struct progress_row progress = progress_row(store, &row->item);
    enum progress means =
        progress_of(&progress, item, judge_idle_max_ms(store->conf->lease_seconds));
    if (means != PROGRESS_LOST)
        result = has_leased(store, &row->item, reporter);
    if (result != QUEUE_OK)
        return result == QUEUE_NONE ? QUEUE_OK : result;
    if (means == PROGRESS_FAULT)
        judge_log_fault(&store->reports, item, reporter->worker);
    store->ledger.done.counts[METRICS_FAULTS] +=
        means == PROGRESS_FAULT || means == PROGRESS_IMPOSSIBLE;
    if (means == PROGRESS_IMPOSSIBLE) {
        reporter->impossible = true;
        return begin_quarantine(store, reporter, item, &progress);
    }
    if (judge_refuses(means))
        return QUEUE_OK;
    int32_t wanted = reporter->judge.in_hand + 1;
    int32_t room = judge_takes_up(&progress, means)
                       ? pg_store_in_hand_room(store, reporter->worker, wanted)
                       : wanted;
    if (room < 0)
        return QUEUE_FAULT;
    change->judged = judge_item(&reporter->judge, &progress, item, means, room >= wanted);
    change->row = change->judged.changes ? row : NULL;
    *taken = change->judged.taken;
    return QUEUE_OK;
}

/* Makes the change of an item that stays leased, or is done. */
static void apply(struct pg_store *store, const struct reporter *reporter, struct tx_row *row,
                  enum item_state to, const struct queue_report_item *item) {
    tx_rows_edit(store->tx->rows, row);
    row->item.state = to;
    row->item.deadline_ms = to == ITEM_LEASED ? pg_store_new_deadline(store) : 0;
    if (to == ITEM_DONE) {
        row->item.done_at_ms = pg_store_now_ms(store);
        row->item.done_wall_ms = store->wall_ms;
    }
    if (item->remaining < row->item.remaining)
        row->item.moved_ms = pg_store_now_ms(store);
    row->item.worker = reporter->seq;
    row->item.remaining = item->remaining;
    memcpy(row->item.chain, item->chain, DIGEST_SIZE);
    tx_rows_put(store->tx->rows, row);
    store->is_changed = true;
}

/* Makes the change of one item, and counts it. */
static bool change(struct pg_store *store, const struct reporter *reporter,
                   const struct queue_report_item *item, const struct change *change) {
    struct tx_row *row = change->row;
    struct client *client;
    const struct move move = {.client = row->item.client,
                              .from = row->item.state,
                              .to = change->judged.to,
                              .before = row->item.remaining,
                              .after = item->remaining};
    if (!pg_store_client_at(store, row->item.client, &client))
        return false;
    bool waits = change->judged.to == ITEM_WAITING;
    apply(store, reporter, row, waits ? ITEM_LEASED : change->judged.to, item);
    const struct pg_waiting waiting = {.since_ms = pg_store_now_ms(store),
                                       .is_over = !change->judged.strike,
                                       .strike = change->judged.strike};
    if (waits && !pg_store_put_back(store, row, &waiting))
        return false;
    ledger_move(&store->ledger, &move);
    store->ledger.counts.work.iterations += move.before - move.after;
    return true;
}

/* Judges and applies the items of a report from first to end, whose ids all differ. OK, FAULT. */
static enum queue_result run(struct pg_store *store, const struct queue_report *report, int first,
                             int end, struct reporter *reporter, struct queue_verdict *verdict) {
    reporter->judge = (struct judge){0};
    memset(reporter->changes, 0, sizeof reporter->changes);
    for (int n = first; n < end; n++) {
        if (judge(store, reporter, &report->items[n], &reporter->changes[n], &verdict->taken[n]) !=
            QUEUE_OK)
            return QUEUE_FAULT;
    }
    if (reporter->impossible) {
        memset(verdict->taken + first, 0, sizeof verdict->taken - (size_t)first);
        return QUEUE_OK;
    }
    for (int n = first; n < end; n++) {
        if (reporter->changes[n].row &&
            !change(store, reporter, &report->items[n], &reporter->changes[n]))
            return QUEUE_FAULT;
    }
    in_hand_add(&store->in_hand, report->worker.identity, reporter->judge.in_hand);
    in_hand_worked(&store->in_hand, report->worker.identity, pg_store_span(store),
                   &reporter->judge.work);
    return QUEUE_OK;
}

enum queue_result postgres_report(struct store *base, const struct queue_report *report,
                                  struct queue_verdict *verdict) {
    struct pg_store *store = pg_store_of(base);
    static struct reporter reporter;     /* one writer is one process with one thread */
    memset(verdict, 0, sizeof *verdict); /* it is sent whole */
    int64_t worker;
    enum queue_result result = pg_store_worker_seen(store, &report->worker, &worker);
    if (result != QUEUE_OK)
        return result;
    reporter = (struct reporter){.worker = &report->worker, .seq = worker};
    verdict->count = report->count;
    for (int n = 0; n < report->count; n++)
        tx_want_locked(store->tx, &report->items[n].id);
    for (int first = 0; first < report->count && !reporter.impossible;) {
        int end = judge_end_of_run(report, first);
        result = run(store, report, first, end, &reporter, verdict);
        if (result != QUEUE_OK) {
            pg_store_lose(store);
            return result;
        }
        first = end;
    }
    return QUEUE_OK;
}
