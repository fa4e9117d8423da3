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
    ledger_begin(&store->ledger);
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
    ledger_undo(&store->ledger);
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

static bool save_tally(struct sqlite_store *store) {
    const struct ledger_counts *counts = &store->ledger.counts;
    if (store->ledger.wrong && !store_recount(store))
        return false;
    store->counts.batch++;
    return store_save_clients(store) &&
           store_run(store, SQL_TALLY_SAVE, "iiiiiiiiiiii", store->counts.clock_ms,
                     counts->items[ITEM_WAITING], counts->items[ITEM_LEASED],
                     counts->items[ITEM_DONE], counts->items[ITEM_PULLED],
                     counts->items[ITEM_CANCELLED], counts->remaining, store->counts.batch,
                     store->wall_ms, counts->rank.now, counts->rank.top, store->counts.paused);
}

bool sqlite_commit(struct store *base) {
    struct sqlite_store *store = sqlite_of(base);
    if (store_state_of(store) != STORE_GOOD || !store_write_enqueued(store))
        return false;
    store->one_by_one = false;
    if (sqlite3_total_changes64(store->database) == store->changes_before) {
        undo(store);                           /* it only read: nothing to write or to sync */
        metrics_add_work(&store->ledger.done); /* what it has refused */
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
    store_note_level(store);
    store_tell_paused(store);
    store->saved_counts = store->counts;
    ledger_keep(&store->ledger);
    return true;
}
