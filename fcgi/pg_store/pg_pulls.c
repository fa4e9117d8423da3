/* Pulls: done items handed out to clients, and batches that a key names. */

#include <stddef.h>
#include <string.h>

#include "pg_sql.h"
#include "pg_store.h"
#include "postgres/pg_answer.h"
#include "queue/pull_tag.h"

enum { LIMIT_MS = 8000 };

static void put_tag(struct pg_params *params, const uint8_t tag[PULL_TAG_SIZE]) {
    pg_params_clear(params);
    pg_open_array(params, PG_BYTEA);
    pg_put_bytea(params, tag, PULL_TAG_SIZE);
    pg_close_array(params);
}

/* Claims the key of a pull: no other node can use it until the batch ends. OK: it was used before
 * for the same pull; NONE, it is this one's now; CONFLICT, FAULT. */
static enum queue_result claim(struct pg_store *store, const uint8_t tag[PULL_TAG_SIZE]) {
    struct pg_params *params = &store->tx->params;
    uint8_t found[PULL_TAG_SIZE];
    if (!pg_store_read(store)) /* what begins the batch */
        return QUEUE_FAULT;
    put_tag(params, tag);
    pg_put_int8(params, pg_store_now_ms(store));
    int claimed = pg_add(store->link, PG_SQL_PULL_KEYS_CLAIM, params);
    put_tag(params, tag);
    int answer = pg_add(store->link, PG_SQL_PULL_KEYS_READ, params);
    if (!pg_run(store->link, PG_STAYS, LIMIT_MS) ||
        (pg_rows(store->link, claimed) == 0 &&
         !pg_get_bytes(store->link, answer, 0, 1, found, PULL_TAG_SIZE))) {
        pg_store_fault(store, "claiming the key of a pull");
        return QUEUE_FAULT;
    }
    if (pg_rows(store->link, claimed) > 0)
        return QUEUE_NONE;
    return memcmp(found, tag, PULL_TAG_SIZE) == 0 ? QUEUE_OK : QUEUE_CONFLICT;
}

/* Gives a claim back that no item came of: the same key may get some later. */
static enum queue_result give_back(struct pg_store *store, const uint8_t tag[PULL_TAG_SIZE]) {
    put_tag(&store->tx->params, tag);
    pg_add(store->link, PG_SQL_PULL_KEYS_DROP, &store->tx->params);
    if (pg_run(store->link, PG_STAYS, LIMIT_MS))
        return QUEUE_OK;
    pg_store_fault(store, "giving the key of a pull back");
    return QUEUE_FAULT;
}

/* Reads what a pull has handed out, in this batch or before. OK, FAULT. */
static enum queue_result read_again(struct pg_store *store, const uint8_t tag[PULL_TAG_SIZE],
                                    int oldest, struct queue_batch *batch) {
    const struct tx_rows *rows = store->tx->rows;
    if (!tx_read_pulled(store->tx, tag)) {
        pg_store_fault(store, "reading a pull again");
        return QUEUE_FAULT;
    }
    for (int i = 0; i < rows->count && batch->count < QUEUE_PULL_MAX; i++) {
        const struct item_row *item = &rows->rows[i].item;
        if (item->has_pull && memcmp(item->pull, tag, PULL_TAG_SIZE) == 0)
            pg_store_show(item, &batch->items[batch->count++]);
    }
    queue_sort_batch(batch, oldest);
    return QUEUE_OK;
}

/* Hands items of a client out, at most top. OK, FAULT. */
static enum queue_result hand_out(struct pg_store *store, const struct queue_pull *pull,
                                  int64_t client, const uint8_t *tag, struct queue_batch *batch) {
    enum tx_order order = pull->oldest ? TX_OLDEST : TX_LATEST;
    struct tx_cursor cursor = tx_first_done(client, order, pull->top);
    while (batch->count < pull->top) {
        struct tx_row *row;
        if (!tx_next_done(store->tx, &cursor, order, &row)) {
            pg_store_fault(store, "looking for items to hand out");
            return QUEUE_FAULT;
        }
        if (!row)
            break;
        tx_rows_edit(store->tx->rows, row);
        row->item.state = ITEM_PULLED;
        row->item.closed_ms = pg_store_now_ms(store);
        row->item.has_pull = tag != NULL;
        if (tag)
            memcpy(row->item.pull, tag, PULL_TAG_SIZE);
        tx_rows_put(store->tx->rows, row);
        pg_store_show(&row->item, &batch->items[batch->count++]);
    }
    if (batch->count == 0)
        return QUEUE_OK;
    store->is_changed = true;
    ledger_move_items(&store->ledger, client, batch->count, ITEM_DONE, ITEM_PULLED);
    ledger_pulled(&store->ledger, client, batch->count);
    if (tag)
        queue_sort_batch(batch, pull->oldest);
    return QUEUE_OK;
}

enum queue_result postgres_pull(struct store *base, const struct queue_pull *pull,
                                struct queue_batch *batch) {
    struct pg_store *store = pg_store_of(base);
    uint8_t tag[PULL_TAG_SIZE];
    bool keyed = pull->key[0] != '\0';
    struct client *client;
    memset(batch, 0, offsetof(struct queue_batch, items)); /* its padding is sent, too */
    if (keyed) {
        enum queue_result result = pull_tag(tag, pull) ? claim(store, tag) : QUEUE_FAULT;
        if (result == QUEUE_OK)
            return read_again(store, tag, pull->oldest, batch);
        if (result != QUEUE_NONE)
            return result;
    }
    if (!pg_store_client(store, pull->client, false, &client))
        return QUEUE_FAULT;
    enum queue_result result = QUEUE_OK;
    if (client)
        result = hand_out(store, pull, client->seq, keyed ? tag : NULL, batch);
    if (result == QUEUE_OK && keyed && batch->count == 0)
        return give_back(store, tag);
    if (result == QUEUE_OK &&
        !pg_store_audit_by_key(store, pull->who, "pull", pull->client, batch->count))
        return QUEUE_FAULT;
    return result;
}
