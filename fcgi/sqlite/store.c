/* The transaction of a batch. */

#include "clock.h"
#include "log.h"
#include "store_sql.h"

const char *sqlite_version(void) {
    return sqlite3_libversion();
}

bool sqlite_begin(struct store *base) {
    struct sqlite_store *store = sqlite_of(base);
    if (store_state_of(store) == STORE_POISONED || store->state == STORE_UNSURE)
        return false;
    store->state = STORE_GOOD;
    if (!store_run(store, SQL_BEGIN, "")) {
        store_lose(store);
        return false;
    }
    store_tell_unlocked(store);
    store->in_batch = true;
    if (!store_files_in_place(store))
        return false;
    store_reserve_new_batch(store);
    store->changes_before = sqlite3_total_changes64(store->database);
    store->wall_ms = clock_wall_ms();
    int64_t now = clock_steady_ms() + store->clock_offset_ms;
    if (now > store->counts.clock_ms)
        store->counts.clock_ms = now;
    store->done = (struct metrics_work){0};
    changes_begin(&store->changes);
    return true;
}

/* Ends the transaction without any change. */
static void undo(struct sqlite_store *store) {
    store->enqueued.table.end = 0;
    if (store->in_batch && !sqlite3_get_autocommit(store->database))
        store_run(store, SQL_ROLLBACK, "");
    if (store->in_batch && store->state != STORE_POISONED)
        store_files_note_commit(store); /* a large batch has written to the WAL before its end */
    store->in_batch = false;
    store->counts = store->saved_counts;
    clients_undo(&store->clients);
    changes_end(&store->changes);
}

void sqlite_rollback(struct store *base) {
    struct sqlite_store *store = sqlite_of(base);
    undo(store);
    store_backup_note_rollback(store);
    store->next_removal_ms = 0;
    store->next_given_up_ms = 0;
    store->thin_from = 0;
    store->quarantined = -1;
    store->in_hand.known = false;
    store->next_deadline_ms = 0; /* unknown now; the next batch looks it up */
    if (store_state_of(store) != STORE_POISONED && store->state != STORE_UNSURE)
        store->state = STORE_GOOD;
}

/* Adds the batch's work to the rates, and to what is counted. */
static void note_work(struct sqlite_store *store) {
    const struct queue_work *all = &store->counts.work;
    const struct queue_work *before = &store->saved_counts.work;
    struct queue_work work = {.enqueued = all->enqueued - before->enqueued,
                              .done = all->done - before->done,
                              .pulled = all->pulled - before->pulled,
                              .iterations = all->iterations - before->iterations};
    rates_add(&store->rates, clock_steady_ms(), &work);
    store->done.counts[METRICS_ENQUEUED] = work.enqueued;
    store->done.counts[METRICS_DONE] = work.done;
    store->done.counts[METRICS_PULLED] = work.pulled;
    store->done.counts[METRICS_ITERATIONS] = work.iterations;
    metrics_add_work(&store->done);
}

static bool save_tally(struct sqlite_store *store) {
    struct counts *counts = &store->counts;
    if (counts->wrong && !store_recount(store))
        return false;
    counts->batch++;
    return store_save_clients(store) &&
           store_run(store, SQL_TALLY_SAVE, "iiiiiiiiiiii", counts->clock_ms,
                     counts->items[ITEM_WAITING], counts->items[ITEM_LEASED],
                     counts->items[ITEM_DONE], counts->items[ITEM_PULLED],
                     counts->items[ITEM_CANCELLED], counts->remaining, counts->batch,
                     store->wall_ms, counts->rank.now, counts->rank.top, counts->paused);
}

bool sqlite_commit(struct store *base) {
    struct sqlite_store *store = sqlite_of(base);
    if (store_state_of(store) != STORE_GOOD || !store_write_enqueued(store))
        return false;
    store->one_by_one = false;
    if (sqlite3_total_changes64(store->database) == store->changes_before) {
        undo(store);                    /* it only read: nothing to write or to sync */
        metrics_add_work(&store->done); /* what it has refused */
        return store_state_of(store) == STORE_GOOD;
    }
    int64_t began_us = clock_steady_us();
    bool good = save_tally(store) && store_record_end(store) && store_run(store, SQL_COMMIT, "");
    if (store_state_of(store) == STORE_POISONED)
        return false;
    if (!good) {
        store_lose(store);
        return false;
    }
    store->in_batch = false;
    metrics_add_commit(clock_steady_us() - began_us);
    store_files_note_commit(store);
    note_work(store);
    store_note_level(store);
    store_tell_paused(store);
    store->saved_counts = store->counts;
    clients_keep(&store->clients, clock_steady_ms());
    return true;
}
