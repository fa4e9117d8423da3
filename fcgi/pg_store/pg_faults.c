/* Reading what a batch needs, and what a failure does to it. */

#include <string.h>

#include "pg_store.h"

enum { RERUNS_MAX = 3 /* of a batch, before its operations are answered that it failed */ };

void pg_store_lose(struct pg_store *store) {
    if (store->state == STORE_GOOD)
        store->state = STORE_LOST;
}

/* The state after a fault before the commit: nothing of the batch is done. */
static enum store_state state_after(struct pg_store *store, enum pg_kind kind) {
    if (kind == PG_FULL)
        return STORE_DISK_FULL;
    if (kind == PG_AGAIN && store->reruns < RERUNS_MAX) {
        store->reruns++;
        return STORE_AGAIN;
    }
    store->reruns = 0;
    return STORE_LOST;
}

void pg_store_fault(struct pg_store *store, const char *what) {
    const struct pg_fault *fault = &store->link->fault;
    if (store->state != STORE_GOOD)
        return;
    pg_fault_log(&store->faults, fault, what);
    store->state = state_after(store, fault->kind);
    if (store->tx->is_replaced)
        store->state = STORE_UNSURE;
}

bool pg_store_read(struct pg_store *store) {
    if (store->state != STORE_GOOD)
        return false;
    if (tx_read(store->tx))
        return true;
    pg_store_fault(store, "reading what a batch needs");
    return false;
}

enum queue_result pg_store_item(struct pg_store *store, const struct uuid *id, bool seen,
                                struct tx_row **row) {
    *row = tx_rows_find(store->tx->rows, id);
    bool is_known =
        *row && (seen || (*row)->is_locked || (*row)->is_absent || (*row)->stored == TX_ENDED);
    if (!is_known) {
        bool has_room = seen ? tx_want_seen(store->tx, id) : tx_want_locked(store->tx, id);
        if (!has_room || !pg_store_read(store)) {
            pg_store_lose(store);
            return QUEUE_FAULT;
        }
        *row = tx_rows_find(store->tx->rows, id);
    }
    return *row && !(*row)->is_absent ? QUEUE_OK : QUEUE_NONE;
}

void pg_store_show(const struct item_row *row, struct queue_item *item) {
    *item = (struct queue_item){.id = row->id,
                                .iterations = row->iterations,
                                .remaining = row->remaining,
                                .enqueued_wall_ms = row->enqueued_wall_ms,
                                .completed_wall_ms = row->done_wall_ms,
                                .state = row->state,
                                .strikes = row->strikes};
    memcpy(item->chain, row->chain, DIGEST_SIZE);
}
