/* The operations of clients on one item: enqueue, look, cancel. */

#include <string.h>

#include "pg_store.h"
#include "queue/id.h"
#include "store/admission.h"

/* Claims the key of an enqueue. OK: *key is its; FAULT. */
static enum queue_result claim(struct pg_store *store, int64_t client,
                               const struct queue_enqueue *item, struct tx_key **key) {
    struct tx_key wanted = {.client = client,
                            .id = item->id,
                            .iterations = item->iterations,
                            .at_ms = pg_store_now_ms(store)};
    memcpy(wanted.key, item->key, sizeof wanted.key);
    memcpy(wanted.digest, item->digest, DIGEST_SIZE);
    bool good = tx_want_key(store->tx, &wanted) && pg_store_read(store);
    *key = good ? tx_keys_find(&store->tx->keys, client, item->key) : NULL;
    if (*key)
        return QUEUE_OK;
    pg_store_lose(store);
    return QUEUE_FAULT;
}

/* Looks up for what a key was used before. NONE: for nothing yet; OK with the id of its item;
 * CONFLICT: for another request. */
static enum queue_result used_before(const struct tx_key *key, const struct queue_enqueue *item,
                                     struct uuid *id) {
    if (!key->is_taken)
        return QUEUE_NONE;
    *id = key->id;
    return key->iterations == item->iterations &&
                   memcmp(key->digest, item->digest, DIGEST_SIZE) == 0
               ? QUEUE_OK
               : QUEUE_CONFLICT;
}

/* Adds the row of a new item. */
static bool add_row(struct pg_store *store, const struct client *client,
                    const struct queue_enqueue *item, int64_t rank) {
    struct item_row row = {.id = item->id,
                           .client = client->seq,
                           .iterations = item->iterations,
                           .remaining = item->iterations - 1,
                           .enqueued_wall_ms = store->wall_ms,
                           .home = (int16_t)store->conf->node,
                           .state = admit_state(item)};
    memcpy(row.digest, item->digest, DIGEST_SIZE);
    memcpy(row.chain, item->digest, DIGEST_SIZE);
    if (row.state == ITEM_DONE) {
        row.done_at_ms = pg_store_now_ms(store);
        row.done_wall_ms = store->wall_ms;
    } else {
        row.rank = rank;
        row.since_ms = pg_store_now_ms(store);
    }
    store->is_changed = true;
    if (row.state == ITEM_WAITING)
        pg_store_note_waiting(store, &row);
    return tx_rows_add(store->tx->rows, &row) != NULL;
}

enum queue_result postgres_enqueue(struct store *base, const struct queue_enqueue *item,
                                   struct uuid *id) {
    struct pg_store *store = pg_store_of(base);
    struct client *client;
    struct tx_key *key = NULL;
    bool is_keyed = item->key[0] != '\0';
    if (!pg_store_client(store, item->client.name, is_keyed, &client))
        return QUEUE_FAULT;
    if (is_keyed) {
        enum queue_result result = claim(store, client->seq, item, &key);
        if (result == QUEUE_OK)
            result = used_before(key, item, id);
        if (result != QUEUE_NONE)
            return result;
    }
    if (store->paused & PART_INTAKE)
        return QUEUE_HELD;
    enum queue_result admitted = admit_by_quota(&store->ledger, client, item);
    if (admitted == QUEUE_OK)
        admitted = admit_by_room(&store->ledger, item);
    if (admitted != QUEUE_OK)
        return admitted;
    if (!client && !pg_store_client(store, item->client.name, true, &client))
        return QUEUE_FAULT;
    int64_t rank = admit_rank(&store->ledger, client, item, pg_store_now_ms(store));
    if (!add_row(store, client, item, rank)) {
        pg_store_lose(store);
        return QUEUE_FAULT;
    }
    if (key)
        tx_key_take(key, &item->id, item->iterations, item->digest);
    admit_count(&store->ledger, client, item);
    *id = item->id;
    return QUEUE_OK;
}

/* Whether an item is one of those that a call may see and change. OK, NONE, FAULT. */
static enum queue_result is_theirs(struct pg_store *store, const struct item_row *item,
                                   const struct queue_whose *whose) {
    struct client *client = NULL;
    if (!whose->all && !pg_store_client(store, whose->client, false, &client))
        return QUEUE_FAULT;
    return whose->all || (client && client->seq == item->client) ? QUEUE_OK : QUEUE_NONE;
}

enum queue_result postgres_look(struct store *base, struct uuid id, const struct queue_whose *whose,
                                struct queue_item *item) {
    struct pg_store *store = pg_store_of(base);
    struct tx_row *row;
    enum queue_result result = pg_store_item(store, &id, true, &row);
    if (result == QUEUE_OK)
        result = is_theirs(store, &row->item, whose);
    if (result == QUEUE_OK)
        pg_store_show(&row->item, item);
    return result;
}

/* Makes an item cancelled, and gives its client the share back that it took. False after a failure.
 */
static bool end_item(struct pg_store *store, struct tx_row *row) {
    struct client *client;
    if (!pg_store_client_at(store, row->item.client, &client))
        return false;
    const struct cancelled_item cancelled = {.client = row->item.client,
                                             .state = row->item.state,
                                             .iterations = row->item.iterations,
                                             .remaining = row->item.remaining,
                                             .since_ms = row->item.since_ms};
    if (row->item.state == ITEM_LEASED && !pg_store_ended(store, row->item.worker))
        return false;
    tx_rows_edit(store->tx->rows, row);
    row->item.deadline_ms = 0;
    row->item.state = ITEM_CANCELLED;
    row->item.closed_ms = pg_store_now_ms(store);
    tx_rows_put(store->tx->rows, row);
    admit_cancelled(&store->ledger, &cancelled);
    store->is_changed = true;
    return true;
}

enum queue_result postgres_cancel(struct store *base, const struct queue_cancel *cancel) {
    struct pg_store *store = pg_store_of(base);
    char about[ID_TEXT_SIZE];
    struct tx_row *row;
    enum queue_result result = pg_store_item(store, &cancel->id, false, &row);
    if (result == QUEUE_OK)
        result = is_theirs(store, &row->item, &cancel->whose);
    if (result != QUEUE_OK)
        return result;
    if (row->item.state == ITEM_CANCELLED)
        return QUEUE_OK;
    if (row->item.state == ITEM_DONE || row->item.state == ITEM_PULLED)
        return QUEUE_CONFLICT;
    id_format(about, cancel->id);
    return end_item(store, row) && pg_store_audit_by_key(store, cancel->who, "cancel", about, 1)
               ? QUEUE_OK
               : QUEUE_FAULT;
}

enum queue_result postgres_cancel_many(struct store *base, const struct queue_cancel_many *cancel,
                                       struct queue_cancelled *cancelled) {
    struct pg_store *store = pg_store_of(base);
    struct client *client;
    cancelled->count = 0;
    if (!pg_store_client(store, cancel->client, false, &client))
        return QUEUE_FAULT;
    cancelled->waiting = client ? client->counts.items[ITEM_WAITING] : 0;
    if (!client || (cancel->confirm >= 0 && cancelled->waiting != cancel->confirm))
        return QUEUE_OK;
    for (int i = 0; i < cancel->count; i++)
        tx_want_locked(store->tx, &cancel->items[i]);
    for (int i = 0; i < cancel->count; i++) {
        struct tx_row *row;
        enum queue_result result = pg_store_item(store, &cancel->items[i], false, &row);
        if (result == QUEUE_FAULT)
            return result;
        if (result != QUEUE_OK || row->item.client != client->seq ||
            row->item.state != ITEM_WAITING)
            continue;
        if (!end_item(store, row))
            return QUEUE_FAULT;
        cancelled->count++;
    }
    return pg_store_audit_by_key(store, cancel->who, "cancel", cancel->client, cancelled->count)
               ? QUEUE_OK
               : QUEUE_FAULT;
}

int32_t postgres_retry_seconds(const struct store *base) {
    return pg_store_of(base)->ledger.retry_seconds;
}

void postgres_left(struct store *base, const char *name, const struct queue_quota *quota,
                   struct queue_left *left) {
    ledger_left(&pg_store_of(base)->ledger, name, quota, left);
}

enum queue_result postgres_has_done(struct store *base, const char *client) {
    return ledger_has_done(&pg_store_of(base)->ledger, client) ? QUEUE_OK : QUEUE_NONE;
}

const char *postgres_newly_done(const struct store *base, int *next, int64_t *items) {
    return ledger_newly_done(&pg_store_of(base)->ledger, next, items);
}
