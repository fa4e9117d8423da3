/* Removes pulled and cancelled items after some days, a few in each batch. */

#include "store_sql.h"

enum {
    REMOVE_MAX = 200,    /* of each kind in one batch */
    LEAVE_MAX = 2000,    /* of their points, each perhaps on a page of its own: these go first */
    REMOVE_PAUSE_MS = 10 /* between two such batches, so that others are served */
};

/* Removes items of one state that were closed at least `days` days ago. Returns the queue clock at
 * which the next one is due; INT64_MAX when none is left. */
static int64_t remove_old(struct sqlite_store *store, enum item_state state, int64_t days) {
    enum sql remove = state == ITEM_PULLED ? SQL_REMOVE_PULLED : SQL_REMOVE_CANCELLED;
    enum sql next = state == ITEM_PULLED ? SQL_NEXT_PULLED : SQL_NEXT_CANCELLED;
    enum sql points = state == ITEM_PULLED ? SQL_POINTS_LEAVE_PULLED : SQL_POINTS_LEAVE_CANCELLED;
    int64_t until = store_now_ms(store) - days * DAY_MS;
    if (store_run(store, points, "iii", until, (int64_t)REMOVE_MAX, (int64_t)LEAVE_MAX))
        store_change_items(store, store_bind(store, remove, "ii", until, (int64_t)REMOVE_MAX),
                           state, LEDGER_GONE);
    int64_t closed = store_number(store, store_bind(store, next, ""), INT64_MAX);
    return closed == INT64_MAX ? INT64_MAX : closed + days * DAY_MS;
}

void sqlite_remove_old(struct store *base) {
    struct sqlite_store *store = sqlite_of(base);
    if (store_now_ms(store) < store->next_removal_ms)
        return;
    int64_t pulled = remove_old(store, ITEM_PULLED, store->conf->pulled_days);
    store_remove_old_pulls(store, store_now_ms(store) - store->conf->pulled_days * DAY_MS);
    int64_t cancelled = remove_old(store, ITEM_CANCELLED, store->conf->cancelled_days);
    int64_t reservations = store_remove_old_reservations(store);
    int64_t due = pulled < cancelled ? pulled : cancelled;
    int64_t pause = store_now_ms(store) + REMOVE_PAUSE_MS;
    due = due < reservations ? due : reservations;
    store->next_removal_ms = due > pause ? due : pause;
}

int64_t sqlite_next_removal(const struct store *base) {
    const struct sqlite_store *store = sqlite_of(base);
    if (store->next_removal_ms == INT64_MAX)
        return INT64_MAX;
    return store->next_removal_ms - store->clock_offset_ms;
}
