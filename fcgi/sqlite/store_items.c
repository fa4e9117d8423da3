/* The operations of clients on one item: enqueue, look, cancel; and the counts. */

#include <stddef.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "queue/id.h"
#include "rows/item_columns.h"
#include "store/rank.h"
#include "store/retry_after.h"
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

static bool has_room_for(const struct sqlite_store *store, int64_t remaining) {
    return store->counts.remaining <= REMAINING_SUM_MAX - remaining;
}

/* How many items are neither pulled nor cancelled. */
static int64_t open_items(const int64_t items[ITEM_STATES]) {
    return items[ITEM_WAITING] + items[ITEM_LEASED] + items[ITEM_DONE];
}

/* Whether there is room for one more item, by count and by work. If not, notes when there may be.
 */
static bool has_room(struct sqlite_store *store, int64_t iterations) {
    int64_t more_items = open_items(store->counts.items) + 1 - store->conf->items_max;
    int64_t more_work = store->counts.remaining + iterations - 1 - store->conf->remaining_max;
    if (more_items <= 0 && more_work <= 0 && has_room_for(store, iterations))
        return true;
    store->retry_seconds = retry_after(&store->rates, clock_steady_ms(), more_items, more_work);
    return false;
}

int32_t sqlite_retry_seconds(const struct store *base) {
    return sqlite_of(base)->retry_seconds;
}

/* Whether a client's quotas allow one more item; NULL: it never had one. If not, notes when they
 * may. */
static enum queue_result within_quota(struct sqlite_store *store, struct client *client,
                                      const struct queue_enqueue *item) {
    static const struct client_counts none;
    const struct queue_quota *quota = &item->client.quota;
    const struct client_counts *has = client ? &client->counts : &none;
    if (quota->iterations > 0 && item->iterations > quota->iterations)
        return QUEUE_TOO_LONG;
    int64_t more_items = open_items(has->items) + 1 - quota->items;
    int64_t more_work = has->remaining + item->iterations - 1 - quota->work;
    bool over_items = quota->items > 0 && more_items > 0;
    bool over_work = quota->work > 0 && more_work > 0;
    if (client && quota->rate > 0 &&
        client_may_enqueue(client, clock_steady_ms(), quota->rate, quota->burst) < 1) {
        int64_t items = 1 + item->over_rate;
        store->retry_seconds = (int32_t)((client_wait_ms(client, items, quota->rate) + 999) / 1000);
        return QUEUE_OVER_RATE;
    }
    if (!over_items && !over_work)
        return QUEUE_OK;
    /* By what it did itself; a client that did nothing since the start may be as fast as all are.
     */
    store->retry_seconds =
        retry_after(client && client->rates ? client->rates : &store->rates, clock_steady_ms(),
                    over_items ? more_items : 0, over_work ? more_work : 0);
    return over_items ? QUEUE_OVER_ITEMS : QUEUE_OVER_WORK;
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
    struct counts *counts = &store->counts;
    const struct queue_quota *quota = &item->client.quota;
    enum item_state state = item->iterations == 1 ? ITEM_DONE : ITEM_WAITING;
    int64_t now = store_now_ms(store);
    int64_t rank = 0;
    if (counts->items[ITEM_WAITING] == 0)
        clients_idle(&store->clients, &counts->rank);
    clients_note(&store->clients, client);
    if (item->client.weight > 0)
        client->rank.weight = item->client.weight;
    if (state == ITEM_WAITING) {
        int64_t own = client->counts.items[ITEM_WAITING];
        const struct rank_item ranked = {.clock_ms = now,
                                         .iterations = item->iterations,
                                         .penalty_ns = store->conf->size_penalty_ns,
                                         .own_wait = own > 0,
                                         .others_wait = counts->items[ITEM_WAITING] > own,
                                         .only_client = clients_is_only(&store->clients, client)};
        rank = rank_enqueue(&counts->rank, &client->rank, &ranked);
    }
    if (!add_row(store, item, client->seq, state, rank))
        return QUEUE_FAULT;
    store_count_new(store, client->seq, state, item->iterations - 1);
    if (quota->rate > 0) {
        client_may_enqueue(client, clock_steady_ms(), quota->rate, quota->burst);
        client_enqueued(client);
    }
    return QUEUE_OK;
}

enum queue_result sqlite_enqueue(struct store *base, const struct queue_enqueue *item,
                                 struct uuid *id) {
    struct sqlite_store *store = sqlite_of(base);
    struct client *client = clients_named(&store->clients, item->client.name);
    if (client && item->key[0]) {
        enum queue_result result = enqueued_before(store, client->seq, item, id);
        if (result != QUEUE_NONE)
            return result;
    }
    if (store_is_paused(store, PART_INTAKE))
        return QUEUE_HELD;
    enum queue_result allowed = within_quota(store, client, item);
    if (allowed != QUEUE_OK)
        return allowed;
    if (!has_room(store, item->iterations))
        return QUEUE_FULL;
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
    const struct client *found = clients_at(&store->clients, client);
    return whose->all || (found && strcmp(found->name, whose->client) == 0);
}

/* An item to cancel. */
struct ending {
    int64_t seq;
    enum item_state state;
    int64_t remaining;
    int64_t worker; /* who has it, if it is leased */
    int64_t client;
    int64_t iterations;
    int64_t since_ms;
};

/* Finds an item. OK, NONE, FAULT. */
static enum queue_result find_ending(struct sqlite_store *store, struct uuid id,
                                     struct ending *item) {
    sqlite3_stmt *statement = store_bind(store, SQL_CANCEL_READ, "u", id.bytes);
    if (!statement)
        return QUEUE_FAULT;
    int code = store_step(store, statement);
    item->seq = sqlite3_column_int64(statement, 0);
    item->state = (enum item_state)sqlite3_column_int(statement, 1);
    item->remaining = sqlite3_column_int64(statement, 2);
    item->worker = sqlite3_column_int64(statement, 3);
    item->client = sqlite3_column_int64(statement, 4);
    item->iterations = sqlite3_column_int64(statement, 5);
    item->since_ms = sqlite3_column_int64(statement, 6);
    store_end(statement);
    return code == SQLITE_ROW ? QUEUE_OK : code == SQLITE_DONE ? QUEUE_NONE : QUEUE_FAULT;
}

/* What of an item costs nobody anything any more. The lane that has it goes on until its worker
 * hears of the end, when it renews its lease: LANE_RATE is about what it computes a second. */
static int64_t rest_of(const struct sqlite_store *store, const struct ending *item) {
    enum { LANE_RATE = 5000000, RENEWS = 3 /* times in LEASE_SECONDS */ };
    int64_t lost = item->state == ITEM_LEASED ? store->conf->lease_seconds * LANE_RATE / RENEWS : 0;
    return item->remaining > lost ? item->remaining - lost : 0;
}

/* Makes an item cancelled, and gives its client the share back that it took. */
static bool end_item(struct sqlite_store *store, const struct ending *item) {
    struct client *client = clients_at(&store->clients, item->client);
    if (!store_run(store, SQL_CANCEL, "ii", item->seq, store_now_ms(store)) ||
        (item->state == ITEM_LEASED && !store_in_hand_ended(store, item->worker)))
        return false;
    if (client)
        rank_cancelled(&store->counts.rank, &client->rank,
                       &(struct rank_item){.clock_ms = item->since_ms,
                                           .iterations = item->iterations,
                                           .penalty_ns = store->conf->size_penalty_ns},
                       rest_of(store, item));
    store_count_move(store, &(struct move){.client = item->client,
                                           .from = item->state,
                                           .before = item->remaining,
                                           .to = ITEM_CANCELLED});
    return true;
}

enum queue_result sqlite_cancel(struct store *base, const struct queue_cancel *cancel) {
    struct sqlite_store *store = sqlite_of(base);
    char about[ID_TEXT_SIZE];
    struct ending item;
    enum queue_result result = find_ending(store, cancel->id, &item);
    if (result != QUEUE_OK)
        return result;
    if (!is_theirs(store, item.client, &cancel->whose))
        return QUEUE_NONE;
    if (item.state == ITEM_CANCELLED)
        return QUEUE_OK;
    if (item.state == ITEM_DONE || item.state == ITEM_PULLED)
        return QUEUE_CONFLICT;
    id_format(about, cancel->id);
    return end_item(store, &item) && store_audit_by_key(store, cancel->who, "cancel", about, 1)
               ? QUEUE_OK
               : QUEUE_FAULT;
}

enum queue_result sqlite_cancel_many(struct store *base, const struct queue_cancel_many *cancel,
                                     struct queue_cancelled *cancelled) {
    struct sqlite_store *store = sqlite_of(base);
    const struct client *client = clients_named(&store->clients, cancel->client);
    cancelled->count = 0;
    cancelled->waiting = client ? client->counts.items[ITEM_WAITING] : 0;
    if (!client || (cancel->confirm >= 0 && cancelled->waiting != cancel->confirm))
        return QUEUE_OK;
    for (int i = 0; i < cancel->count; i++) {
        struct ending item;
        enum queue_result result = find_ending(store, cancel->items[i], &item);
        if (result == QUEUE_NONE ||
            (result == QUEUE_OK && (item.client != client->seq || item.state != ITEM_WAITING)))
            continue;
        if (result != QUEUE_OK || !end_item(store, &item))
            return QUEUE_FAULT;
        cancelled->count++;
    }
    return store_audit_by_key(store, cancel->who, "cancel", cancel->client, cancelled->count)
               ? QUEUE_OK
               : QUEUE_FAULT;
}

int64_t sqlite_leasable(const struct store *base) {
    const struct sqlite_store *store = sqlite_of(base);
    return store_is_paused(store, PART_LEASING) ? 0 : store->counts.items[ITEM_WAITING];
}

void sqlite_left(struct store *base, const char *name, const struct queue_quota *quota,
                 struct queue_left *left) {
    struct sqlite_store *store = sqlite_of(base);
    struct client *client = clients_named(&store->clients, name);
    *left = (struct queue_left){.rate = quota->burst};
    if (!client) /* it has enqueued nothing yet */
        return;
    left->items = open_items(client->counts.items);
    left->work = client->counts.remaining;
    if (quota->rate == 0)
        return;
    left->rate = client_may_enqueue(client, clock_steady_ms(), quota->rate, quota->burst);
    left->whole_ms = client_wait_ms(client, quota->burst, quota->rate);
}

/* The counts and rates of one client; nothing of the node's. */
static void tally_client(const struct sqlite_store *store, const char *name,
                         struct queue_tally *tally) {
    const struct client *client = clients_named(&store->clients, name);
    int64_t now = clock_steady_ms();
    memset(tally->items, 0, sizeof tally->items); /* it has the answer to another question */
    memset(tally->work, 0, sizeof tally->work);
    tally->remaining = 0;
    if (!client)
        return;
    memcpy(tally->items, client->counts.items, sizeof tally->items);
    tally->remaining = client->counts.remaining;
    for (int span = 0; span < QUEUE_SPANS && client->rates; span++)
        tally->work[span] = rates_sum(client->rates, now, queue_span_seconds[span]);
}

enum queue_result sqlite_tally(struct store *base, const struct queue_whose *whose,
                               struct queue_tally *tally) {
    struct sqlite_store *store = sqlite_of(base);
    int64_t now = store_now_ms(store);
    tally->clock_ms = now;
    if (!whose->all) {
        tally_client(store, whose->client, tally);
        return store_state_of(store) == STORE_GOOD ? QUEUE_OK : QUEUE_FAULT;
    }
    tally->paused = store->counts.paused;
    tally->backed_up_wall_ms = store->counts.backed_up_wall_ms;
    tally->disk_full = store->reserve.low && !store_reserve_holds(store);
    memcpy(tally->items, store->counts.items, sizeof tally->items);
    tally->remaining = store->counts.remaining;
    int64_t oldest = store_number(store, store_bind(store, SQL_OLDEST, ""), now);
    tally->oldest_wait_ms = now > oldest ? now - oldest : 0;
    store_tally_copying(store, &tally->copying);
    tally->workers =
        store_number(store, store_bind(store, SQL_WORKERS_ALIVE, "i", now - WORKER_ALIVE_MS), -1);
    for (int span = 0; span < QUEUE_SPANS; span++)
        tally->work[span] = rates_sum(&store->rates, clock_steady_ms(), queue_span_seconds[span]);
    return tally->workers >= 0 && store_state_of(store) == STORE_GOOD ? QUEUE_OK : QUEUE_FAULT;
}

enum queue_result sqlite_has_done(struct store *base, const char *client) {
    struct sqlite_store *store = sqlite_of(base);
    const struct client *found = clients_named(&store->clients, client);
    return found && found->counts.items[ITEM_DONE] > 0 ? QUEUE_OK : QUEUE_NONE;
}

const char *sqlite_newly_done(const struct store *base, int *next, int64_t *items) {
    const struct sqlite_store *store = sqlite_of(base);
    while (*next < store->clients.changed_count) {
        const struct client *client = store->clients.changed[(*next)++].client;
        *items = client->work.done;
        if (client->work.done > 0)
            return client->name;
    }
    return NULL;
}
