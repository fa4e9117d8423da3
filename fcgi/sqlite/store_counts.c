/* Counts that are updated with each change, so that nobody has to count rows. */

#include "clock.h"
#include "store_sql.h"

void store_note_closed(struct store *store, enum item_state state) {
    int64_t days = state == ITEM_PULLED ? store->conf->pulled_days : store->conf->cancelled_days;
    int64_t due = store_now_ms(store) + days * DAY_MS;
    if (due < store->next_removal_ms)
        store->next_removal_ms = due;
}

void store_count_move(struct store *store, const struct move *move) {
    store->counts.items[move->from]--;
    store->counts.items[move->to]++;
    store->counts.remaining -= move->from <= ITEM_LEASED ? move->before : 0;
    store->counts.remaining += move->to <= ITEM_LEASED ? move->after : 0;
    store->counts.work.done += move->to == ITEM_DONE;
    store->counts.work.pulled += move->to == ITEM_PULLED;
    if (move->to == ITEM_PULLED || move->to == ITEM_CANCELLED)
        store_note_closed(store, move->to);
}

void store_count_all(struct store *store, int64_t items, enum item_state from, enum item_state to) {
    store->counts.items[from] -= items;
    store->counts.items[to] += items;
}

int64_t store_change_items(struct store *store, sqlite3_stmt *statement, enum item_state from,
                           enum item_state to) {
    if (!store_finish(store, statement)) {
        store_lose(store);
        return -1;
    }
    int64_t items = sqlite3_changes64(store->database);
    store_count_all(store, items, from, to);
    return items;
}

void store_note_level(struct store *store) {
    if (store->peer.acknowledged >= store->saved_counts.batch)
        store->peer.level_ms = clock_steady_ms();
}
