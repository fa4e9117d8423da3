/* Pulls: done items handed out to clients, and batches that a key names. */

#include <stddef.h>
#include <string.h>

#include "store_sql.h"

/* Finds the pull of this node alone that the key of this tag was used for. OK when it has the same
 * top and order, NONE, CONFLICT, FAULT. */
static enum queue_result find_tag(struct sqlite_store *store, const uint8_t *tag) {
    struct tag_range range = pull_tags_of_key(tag);
    uint8_t found[PULL_TAG_SIZE];
    sqlite3_stmt *statement = store_bind(store, SQL_PULL_TAG, "pp", range.low, range.high);
    if (!statement)
        return QUEUE_FAULT;
    enum queue_result result = QUEUE_FAULT;
    int code = store_step(store, statement);
    if (code == SQLITE_DONE)
        result = QUEUE_NONE;
    else if (code == SQLITE_ROW && store_blob(store, statement, 0, found, PULL_TAG_SIZE))
        result = memcmp(found, tag, PULL_TAG_SIZE) == 0 ? QUEUE_OK : QUEUE_CONFLICT;
    store_end(statement);
    return result;
}

/* Finds the pull that the key was used for before. OK with its batch, NONE, CONFLICT, FAULT. */
static enum queue_result pulled_before(struct sqlite_store *store, const struct queue_pull *pull,
                                       const uint8_t *tag, struct queue_batch *batch) {
    enum queue_result result = store_spread_again(store, pull, tag, batch);
    if (result == QUEUE_NONE)
        result = find_tag(store, tag);
    else
        return result;
    if (result == QUEUE_OK && !store_read_pulled(store, tag, pull->oldest, batch))
        result = QUEUE_FAULT;
    return result;
}

enum queue_result sqlite_pull(struct store *base, const struct queue_pull *pull,
                              struct queue_batch *batch) {
    struct sqlite_store *store = sqlite_of(base);
    uint8_t tag[PULL_TAG_SIZE];
    bool keyed = pull->key[0] != '\0';
    memset(batch, 0, offsetof(struct queue_batch, items)); /* its padding is sent, too */
    if (keyed) {
        enum queue_result result =
            pull_tag(tag, pull) ? pulled_before(store, pull, tag, batch) : QUEUE_FAULT;
        if (result != QUEUE_NONE)
            return result;
    }
    const struct client *client = clients_named(&store->ledger.clients, pull->client);
    if (pull->reach == PULL_IF_ENOUGH && (!client || client->counts.items[ITEM_DONE] < pull->top))
        return QUEUE_NONE;
    if (!store_select_done(store, pull->client, pull->top, pull->oldest, batch))
        return QUEUE_FAULT;
    if (pull->reach == PULL_OVER_BOTH && batch->count < pull->top)
        return store_spread_open(store, pull, keyed ? tag : NULL, batch);
    bool good = store_hand_out(store, pull->client, batch, pull->oldest, keyed ? tag : NULL,
                               store_now_ms(store)) &&
                store_audit_by_key(store, pull->who, "pull", pull->client, batch->count);
    return good ? QUEUE_OK : QUEUE_FAULT;
}
