/* The operations of clients on one item: enqueue, look, cancel; and the counts. */

#include <stddef.h>
#include <string.h>

#include "log.h"
#include "queue/id.h"
#include "rows/item_columns.h"
#include "store/admission.h"
#include "store_sql.h"

/* The item that the batch under way has taken with a key of a client; NULL: none, or it is stored.
 */
static const struct enqueued_row *not_stored_yet(const struct enqueue_table *enqueued,
                                                 int64_t client, const char *key) {
    for (int i = 0; i < enqueued->table.end; i++) {
        const struct enqueued_row *row = &enqueued->rows[i];
        if (row->client == client && strcmp(row->key, key) == 0)
            return row;
    }
    return NULL;
}

/* Whether an item is asked for again with its key, not another one. */
static bool is_again(const struct queue_enqueue *item, const uint8_t *digest, int64_t iterations) {
    return memcmp(digest, item->digest, DIGEST_SIZE) == 0 && iterations == item->iterations;
}

/* Looks an idempotency key of a client up. NONE: never used; OK with the id of its item; CONFLICT:
 * used for another request; FAULT. */
static enum queue_result enqueued_before(struct sqlite_store *store, int64_t client,
                                         const struct queue_enqueue *item, struct uuid *id) {
    const struct enqueued_row *row = not_stored_yet(&store->enqueued, client, item->key);
    if (row) {
        *id = row->id;
        return is_again(item, row->digest, row->iterations) ? QUEUE_OK : QUEUE_CONFLICT;
    }
    sqlite3_stmt *statement = store_bind(store, SQL_ENQUEUE_AGAIN, "it", client, item->key);
    if (!statement)
        return QUEUE_FAULT;
    enum queue_result result = QUEUE_FAULT;
    uint8_t digest[DIGEST_SIZE];
    int code = store_step(store, statement);
    if (code == SQLITE_DONE) {
        result = QUEUE_NONE;
    } else if (code == SQLITE_ROW && store_blob(store, statement, 0, id->bytes, ID_SIZE) &&
               store_blob(store, statement, 1, digest, DIGEST_SIZE)) {
        int64_t iterations = sqlite3_column_int64(statement, 2);
        result = is_again(item, digest, iterations) ? QUEUE_OK : QUEUE_CONFLICT;
    }
    store_end(statement);
    return result;
}

int32_t sqlite_retry_seconds(const struct store *base) {
    return sqlite_of(base)->ledger.retry_seconds;
}

/* Notes the row of an item, to be stored with others. False after a failure. */
static bool add_row(struct sqlite_store *store, const struct queue_enqueue *item, int64_t client,
                    enum item_state state, int64_t rank) {
    struct enqueue_table *enqueued = &store->enqueued;
    struct enqueued_row *row = &enqueued->rows[enqueued->table.end++];
    row->id = item->id;
    memcpy(row->digest, item->digest, DIGEST_SIZE);
    row->iterations = item->iterations;
    row->state = state;
    row->rank = rank;
    row->client = client;
    memcpy(row->key, item->key, strlen(item->key) + 1);
    int most = store->one_by_one ? 1 : ENQUEUE_TABLE_MAX;
    return enqueued->table.end < most || store_write_enqueued(store);
}

/* Stores an item of a client. */
static enum queue_result add_item(struct sqlite_store *store, struct client *client,
                                  const struct queue_enqueue *item) {
    int64_t rank = admit_rank(&store->ledger, client, item, store_now_ms(store));
    if (!add_row(store, item, client->seq, admit_state(item), rank))
        return QUEUE_FAULT;
    admit_count(&store->ledger, client, item);
    return QUEUE_OK;
}

enum queue_result sqlite_enqueue(struct store *base, const struct queue_enqueue *item,
                                 struct uuid *id) {
    struct sqlite_store *store = sqlite_of(base);
    struct client *client = clients_named(&store->ledger.clients, item->client.name);
    if (client && item->key[0]) {
        enum queue_result result = enqueued_before(store, client->seq, item, id);
        if (result != QUEUE_NONE)
            return result;
    }
    if (store_is_paused(store, PART_INTAKE))
        return QUEUE_HELD;
    enum queue_result admitted = admit_by_quota(&store->ledger, client, item);
    if (admitted == QUEUE_OK)
        admitted = admit_by_room(&store->ledger, item);
    if (admitted != QUEUE_OK)
        return admitted;
    if (store_wal_is_full(store))
        return QUEUE_PAUSED;
    if (!store_disk_has_room(store))
        return QUEUE_DISK_FULL;
    if (!client)
        client = store_client_or_new(store, item->client.name);
    *id = item->id;
    return client ? add_item(store, client, item) : QUEUE_FAULT;
}

bool store_read_item(struct sqlite_store *store, sqlite3_stmt *row, struct queue_item *item) {
    if (item_columns_read(row, item))
        return true;
    log_error("an item has a blob of the wrong size: the database is damaged");
    store->state = STORE_POISONED;
    return false;
}

enum queue_result sqlite_look(struct store *base, struct uuid id, const struct queue_whose *whose,
                              struct queue_item *item) {
    struct sqlite_store *store = sqlite_of(base);
    const char *client = whose->all ? NULL : whose->client;
    sqlite3_stmt *statement = store_bind(store, SQL_LOOK, "ut", id.bytes, client);
    if (!statement)
        return QUEUE_FAULT;
    int code = store_step(store, statement);
    enum queue_result result = code == SQLITE_DONE ? QUEUE_NONE : QUEUE_FAULT;
    if (code == SQLITE_ROW && store_read_item(store, statement, item))
        result = QUEUE_OK;
    store_end(statement);
    return result;
}

/* Whether a client is one of whom a call may see items. */
static bool is_theirs(const struct sqlite_store *store, int64_t client,
                      const struct queue_whose *whose) {
    const struct client *found = clients_at(&store->ledger.clients, client);
    return whose->all || (found && strcmp(found->name, whose->client) == 0);
}

/* An item to cancel. */
struct ending {
    int64_t seq;
    int64_t worker; /* who has it, if it is leased */
    struct cancelled_item item;
};

/* Finds an item. OK, NONE, FAULT. */
static enum queue_result find_ending(struct sqlite_store *store, struct uuid id,
                                     struct ending *ending) {
    sqlite3_stmt *statement = store_bind(store, SQL_CANCEL_READ, "u", id.bytes);
    if (!statement)
        return QUEUE_FAULT;
    int code = store_step(store, statement);
    ending->seq = sqlite3_column_int64(statement, 0);
    ending->item.state = (enum item_state)sqlite3_column_int(statement, 1);
    ending->item.remaining = sqlite3_column_int64(statement, 2);
    ending->worker = sqlite3_column_int64(statement, 3);
    ending->item.client = sqlite3_column_int64(statement, 4);
    ending->item.iterations = sqlite3_column_int64(statement, 5);
    ending->item.since_ms = sqlite3_column_int64(statement, 6);
    store_end(statement);
    return code == SQLITE_ROW ? QUEUE_OK : code == SQLITE_DONE ? QUEUE_NONE : QUEUE_FAULT;
}

/* Makes an item cancelled, and gives its client the share back that it took. */
static bool end_item(struct sqlite_store *store, const struct ending *ending) {
    if (!store_run(store, SQL_CANCEL, "ii", ending->seq, store_now_ms(store)) ||
        (ending->item.state == ITEM_LEASED && !store_in_hand_ended(store, ending->worker)))
        return false;
    admit_cancelled(&store->ledger, &ending->item);
    store_note_closed(store, ITEM_CANCELLED);
    return true;
}

enum queue_result sqlite_cancel(struct store *base, const struct queue_cancel *cancel) {
    struct sqlite_store *store = sqlite_of(base);
    char about[ID_TEXT_SIZE];
    struct ending ending;
    enum queue_result result = find_ending(store, cancel->id, &ending);
    if (result != QUEUE_OK)
        return result;
    if (!is_theirs(store, ending.item.client, &cancel->whose))
        return QUEUE_NONE;
    if (ending.item.state == ITEM_CANCELLED)
        return QUEUE_OK;
    if (ending.item.state == ITEM_DONE || ending.item.state == ITEM_PULLED)
        return QUEUE_CONFLICT;
    id_format(about, cancel->id);
    return end_item(store, &ending) && store_audit_by_key(store, cancel->who, "cancel", about, 1)
               ? QUEUE_OK
               : QUEUE_FAULT;
}

enum queue_result sqlite_cancel_many(struct store *base, const struct queue_cancel_many *cancel,
                                     struct queue_cancelled *cancelled) {
    struct sqlite_store *store = sqlite_of(base);
    const struct client *client = clients_named(&store->ledger.clients, cancel->client);
    cancelled->count = 0;
    cancelled->waiting = client ? client->counts.items[ITEM_WAITING] : 0;
    if (!client || (cancel->confirm >= 0 && cancelled->waiting != cancel->confirm))
        return QUEUE_OK;
    for (int i = 0; i < cancel->count; i++) {
        struct ending ending;
        enum queue_result result = find_ending(store, cancel->items[i], &ending);
        if (result == QUEUE_NONE || (result == QUEUE_OK && (ending.item.client != client->seq ||
                                                            ending.item.state != ITEM_WAITING)))
            continue;
        if (result != QUEUE_OK || !end_item(store, &ending))
            return QUEUE_FAULT;
        cancelled->count++;
    }
    return store_audit_by_key(store, cancel->who, "cancel", cancel->client, cancelled->count)
               ? QUEUE_OK
               : QUEUE_FAULT;
}

int64_t sqlite_leasable(const struct store *base) {
    const struct sqlite_store *store = sqlite_of(base);
    return store_is_paused(store, PART_LEASING) ? 0 : store->ledger.counts.items[ITEM_WAITING];
}

void sqlite_left(struct store *base, const char *name, const struct queue_quota *quota,
                 struct queue_left *left) {
    ledger_left(&sqlite_of(base)->ledger, name, quota, left);
}

enum queue_result sqlite_tally(struct store *base, const struct queue_whose *whose,
                               struct queue_tally *tally) {
    struct sqlite_store *store = sqlite_of(base);
    int64_t now = store_now_ms(store);
    tally->clock_ms = now;
    if (!whose->all) {
        ledger_tally_client(&store->ledger, whose->client, tally);
        return store_state_of(store) == STORE_GOOD ? QUEUE_OK : QUEUE_FAULT;
    }
    tally->paused = store->counts.paused;
    tally->backed_up_wall_ms = store->counts.backed_up_wall_ms;
    tally->disk_full = store->reserve.low && !store_reserve_holds(store);
    ledger_tally(&store->ledger, tally);
    int64_t oldest = store_number(store, store_bind(store, SQL_OLDEST, ""), now);
    tally->oldest_wait_ms = now > oldest ? now - oldest : 0;
    store_tally_copying(store, &tally->copying);
    tally->workers =
        store_number(store, store_bind(store, SQL_WORKERS_ALIVE, "i", now - WORKER_ALIVE_MS), -1);
    return tally->workers >= 0 && store_state_of(store) == STORE_GOOD ? QUEUE_OK : QUEUE_FAULT;
}

enum queue_result sqlite_has_done(struct store *base, const char *client) {
    return ledger_has_done(&sqlite_of(base)->ledger, client) ? QUEUE_OK : QUEUE_NONE;
}

const char *sqlite_newly_done(const struct store *base, int *next, int64_t *items) {
    return ledger_newly_done(&sqlite_of(base)->ledger, next, items);
}
