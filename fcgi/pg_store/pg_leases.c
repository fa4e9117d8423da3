/* Leases: given, renewed, returned, lapsed. */

#include <stddef.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "pg_sql.h"
#include "pg_store.h"
#include "postgres/pg_answer.h"

enum {
    LIMIT_MS = 8000,
    LAPSE_LEASES_MAX = 64, /* that are looked at in one batch */
    LOOK_MS = 5000         /* an idle node looks for leases of others so often */
};

static const struct uuid FIRST_ID;

int64_t pg_store_new_deadline(struct pg_store *store) {
    int64_t deadline = pg_store_now_ms(store) + store->conf->lease_seconds * 1000;
    if (deadline < store->next_deadline_ms)
        store->next_deadline_ms = deadline;
    return deadline;
}

/* --- What is to be leased --- */

static void forget_home(struct pg_home *home) {
    home->rank = -1;
    home->id = FIRST_ID;
}

void pg_store_begin_homes(struct pg_store *store) {
    for (int i = 0; i < store->home_count; i++) {
        struct pg_home *home = &store->homes[i];
        home->cursor.order = home->rank;
        home->cursor.id = home->id;
        home->cursor.is_end = false;
    }
}

void pg_store_end_homes(struct pg_store *store, bool commits) {
    for (int i = 0; i < store->home_count && !commits; i++)
        forget_home(&store->homes[i]);
}

void pg_store_note_waiting(struct pg_store *store, const struct item_row *item) {
    store->is_dry = false;
    for (int i = 0; i < store->home_count; i++) {
        struct pg_home *home = &store->homes[i];
        if (home->cursor.group == item->home && item->rank <= home->rank) {
            home->rank = item->rank - 1;
            home->id = FIRST_ID;
        }
    }
}

bool pg_store_look_around(struct pg_store *store) {
    struct pg_params *params = &store->tx->params;
    pg_params_clear(params);
    pg_put_int4(params, store->tx->node);
    int others = pg_add(store->link, PG_SQL_NODES_OTHERS, params);
    int first = pg_add(store->link, PG_SQL_LEASES_FIRST, NULL);
    if (!pg_run(store->link, PG_STAYS, LIMIT_MS))
        return false;
    store->next_deadline_ms = INT64_MAX;
    if (pg_rows(store->link, first) > 0 &&
        !pg_get_int8(store->link, first, 0, 0, &store->next_deadline_ms))
        return false;
    store->homes[0].cursor.group = store->tx->node;
    store->home_count = 1;
    for (int row = 0; row < pg_rows(store->link, others); row++) {
        int32_t node;
        if (!pg_get_int4(store->link, others, row, 0, &node))
            return false;
        store->homes[store->home_count++].cursor.group = node;
    }
    for (int i = 0; i < store->home_count; i++)
        forget_home(&store->homes[i]);
    store->is_dry = false;
    return true;
}

int64_t postgres_leasable(const struct store *base) {
    const struct pg_store *store = pg_store_of(base);
    int64_t waiting = store->ledger.counts.items[ITEM_WAITING];
    return store->is_dry || waiting < 0 || store->paused & PART_LEASING ? 0 : waiting;
}

/* --- Giving --- */

/* A lease that is being given. */
struct giving {
    const struct queue_lease *request;
    struct queue_grant *grant;
    int32_t most; /* items, at least 1 */
    int64_t worker;
    int64_t deadline_ms;
    int64_t sum; /* of the links of its items */
};

/* Adds an item to a grant. */
static void add_leased(struct queue_grant *grant, const struct item_row *item) {
    struct queue_leased *leased = &grant->items[grant->count++];
    leased->id = item->id;
    leased->remaining = item->remaining;
    memcpy(leased->chain, item->chain, DIGEST_SIZE);
}

/* Leases an item. False after a failure. */
static bool give_item(struct pg_store *store, struct giving *giving, struct tx_row *row) {
    struct item_row *item = &row->item;
    struct client *client;
    if (!pg_store_client_at(store, item->client, &client))
        return false;
    tx_rows_edit(store->tx->rows, row);
    item->state = ITEM_LEASED;
    item->lease = giving->request->request;
    item->has_lease = true;
    item->deadline_ms = giving->deadline_ms;
    item->worker = giving->worker;
    item->granted = item->remaining;
    item->granted_at_ms = item->moved_ms = pg_store_now_ms(store);
    item->granted_wall_ms = store->wall_ms;
    tx_rows_put(store->tx->rows, row);
    add_leased(giving->grant, item);
    giving->sum += item->remaining;
    ledger_move_items(&store->ledger, item->client, 1, ITEM_WAITING, ITEM_LEASED);
    metrics_note(&store->ledger.done.waits, &metrics_waits,
                 pg_store_now_ms(store) - item->since_ms);
    rank_leased(&store->ledger.counts.rank, &client->rank, item->rank);
    return true;
}

/* Leases items of a home, within the limits of the request. False after a failure. */
static bool give_of(struct pg_store *store, struct giving *giving, struct pg_home *home) {
    home->cursor.most = giving->most;
    while (giving->grant->count < giving->most) {
        struct tx_row *row;
        if (!tx_next_waiting(store->tx, &home->cursor, &row)) {
            pg_store_fault(store, "looking for items to lease");
            return false;
        }
        if (!row || (giving->grant->count > 0 &&
                     row->item.remaining > giving->request->iterations - giving->sum))
            return true;
        home->rank = row->item.rank;
        home->id = row->item.id;
        if (!give_item(store, giving, row))
            return false;
    }
    return true;
}

static bool give(struct pg_store *store, struct giving *giving) {
    struct queue_grant *grant = giving->grant;
    for (int i = 0; i < store->home_count && grant->count == 0; i++) {
        if (!give_of(store, giving, &store->homes[i]))
            return false;
    }
    if (grant->count > 0)
        store->is_changed = true;
    else
        store->is_dry = true;
    return true;
}

/* Renews the lease of this id if the same request came before, but for items without progress for
 * too long, and gives the items that it still holds. NONE when it holds none; CONFLICT when it is
 * another identity's. */
static enum queue_result leased_before(struct pg_store *store, const struct queue_lease *request,
                                       struct queue_grant *grant, int64_t worker) {
    const struct uuid *lease = &request->request;
    int64_t moved_since = pg_store_now_ms(store) - judge_idle_max_ms(store->conf->lease_seconds);
    struct tx_row *row = NULL;
    if (!tx_want_lease(store->tx, lease) || !pg_store_read(store)) {
        pg_store_lose(store);
        return QUEUE_FAULT;
    }
    while (grant->count < QUEUE_LEASE_MAX &&
           (row = tx_rows_of_lease(store->tx->rows, lease, row))) {
        enum queue_result same = row->item.worker == worker
                                     ? QUEUE_OK
                                     : pg_store_is_same(store, row->item.worker, &request->worker);
        if (same != QUEUE_OK) {
            grant->count = 0;
            return same == QUEUE_NONE ? QUEUE_CONFLICT : QUEUE_FAULT;
        }
        add_leased(grant, &row->item);
    }
    if (grant->count == 0)
        return QUEUE_NONE;
    /* One more than a grant of this same batch has: returning that one must not return this. */
    int64_t deadline = pg_store_new_deadline(store) + 1;
    grant->returnable = (struct queue_return){*lease, deadline};
    for (row = NULL; (row = tx_rows_of_lease(store->tx->rows, lease, row));) {
        if (row->item.moved_ms < moved_since)
            continue;
        tx_rows_edit(store->tx->rows, row);
        row->item.deadline_ms = deadline;
        tx_rows_put(store->tx->rows, row);
    }
    store->is_changed = true;
    return QUEUE_OK;
}

enum queue_result postgres_lease(struct store *base, const struct queue_lease *request,
                                 struct queue_grant *grant) {
    struct pg_store *store = pg_store_of(base);
    int64_t worker;
    memset(grant, 0, offsetof(struct queue_grant, items)); /* its padding is sent, too */
    enum queue_result result = pg_store_worker_seen(store, &request->worker, &worker);
    if (result != QUEUE_OK)
        return result;
    grant->ttl_ms = store->conf->lease_seconds * 1000;
    result = leased_before(store, request, grant, worker);
    if (result != QUEUE_NONE || postgres_leasable(base) == 0)
        return result;
    int32_t most = pg_store_in_hand_room(store, &request->worker, request->items);
    if (most <= 0)
        return most < 0 ? QUEUE_FAULT : QUEUE_ENOUGH;
    struct giving giving = {.request = request,
                            .grant = grant,
                            .most = most,
                            .worker = worker,
                            .deadline_ms = pg_store_new_deadline(store)};
    if (!give(store, &giving)) {
        pg_store_lose(store);
        return QUEUE_FAULT;
    }
    in_hand_add(&store->in_hand, request->worker.identity, grant->count);
    grant->returnable = (struct queue_return){request->request, giving.deadline_ms};
    return grant->count > 0 ? QUEUE_OK : QUEUE_NONE;
}

/* --- Taking back --- */

bool pg_store_put_back(struct pg_store *store, struct tx_row *row,
                       const struct pg_waiting *waiting) {
    struct client *client;
    if (!pg_store_client_at(store, row->item.client, &client))
        return false;
    tx_rows_edit(store->tx->rows, row);
    row->item.state = ITEM_WAITING;
    row->item.since_ms = waiting->since_ms;
    row->item.deadline_ms = 0;
    row->item.has_lease = row->item.has_lease && !waiting->is_over;
    row->item.strikes = (int16_t)(row->item.strikes + waiting->strike);
    tx_rows_put(store->tx->rows, row);
    pg_store_note_waiting(store, &row->item);
    store->is_changed = true;
    return true;
}

/* Makes a leased item wait again, and counts it. */
static bool take_back(struct pg_store *store, struct tx_row *row,
                      const struct pg_waiting *waiting) {
    if (!pg_store_put_back(store, row, waiting) || !pg_store_ended(store, row->item.worker))
        return false;
    ledger_move_items(&store->ledger, row->item.client, 1, ITEM_LEASED, ITEM_WAITING);
    return true;
}

enum queue_result postgres_return_lease(struct store *base, struct queue_return grant) {
    struct pg_store *store = pg_store_of(base);
    const struct pg_waiting waiting = {.since_ms = pg_store_now_ms(store), .is_over = true};
    struct tx_row *next;
    if (!tx_want_lease(store->tx, &grant.lease) || !pg_store_read(store)) {
        pg_store_lose(store);
        return QUEUE_FAULT;
    }
    struct tx_row *row = tx_rows_of_lease(store->tx->rows, &grant.lease, NULL);
    for (; row; row = next) {
        next = tx_rows_of_lease(store->tx->rows, &grant.lease, row);
        if (row->item.deadline_ms == grant.deadline_ms && !take_back(store, row, &waiting)) {
            pg_store_lose(store);
            return QUEUE_FAULT;
        }
    }
    return QUEUE_OK;
}

/* Lets the items of a lease lapse that are due: they wait since then, with a strike each if they
 * made no progress. The lease's id stays, so that a late report still counts. Returns how many; -1
 * after a failure. */
static int64_t lapse(struct pg_store *store, struct tx_lease *lease) {
    int64_t now = pg_store_now_ms(store);
    int64_t next_ms = INT64_MAX;
    int64_t items = 0;
    struct tx_row *next;
    for (struct tx_row *row = tx_rows_of_lease(store->tx->rows, &lease->id, NULL); row;
         row = next) {
        int64_t deadline = row->item.deadline_ms;
        next = tx_rows_of_lease(store->tx->rows, &lease->id, row);
        if (deadline > now) {
            next_ms = deadline < next_ms ? deadline : next_ms;
            continue;
        }
        const struct pg_waiting waiting = {.since_ms = deadline,
                                           .strike = row->item.remaining == row->item.granted};
        if (!take_back(store, row, &waiting))
            return -1;
        items++;
    }
    tx_lease_set_due(lease, next_ms);
    store->is_changed = true;
    return items;
}

void postgres_lapse(struct store *base) {
    struct pg_store *store = pg_store_of(base);
    int64_t items = 0;
    int count;
    if (store->state != STORE_GOOD || pg_store_now_ms(store) < store->next_deadline_ms)
        return;
    if (!tx_read_due(store->tx, pg_store_now_ms(store), LAPSE_LEASES_MAX, &count)) {
        pg_store_fault(store, "looking for leases that lapse");
        return;
    }
    for (int i = 0; i < store->tx->leases.count; i++) {
        int64_t lapsed = lapse(store, &store->tx->leases.list[i]);
        if (lapsed < 0) {
            pg_store_lose(store);
            return;
        }
        items += lapsed;
    }
    store->ledger.done.counts[METRICS_LAPSED] += items;
    if (items > 0)
        log_info("leases lapsed of items: %lld; they wait again", (long long)items);
    store->tick_ms = 0; /* the next batch looks for the next one */
    store->next_deadline_ms = pg_store_now_ms(store) + (count == LAPSE_LEASES_MAX ? 1 : 1000);
}

int64_t postgres_next_lapse(const struct store *base) {
    const struct pg_store *store = pg_store_of(base);
    int64_t look = store->tick_ms + LOOK_MS; /* other nodes may have given some, and have ended */
    int64_t due = store->next_deadline_ms == INT64_MAX
                      ? INT64_MAX
                      : store->next_deadline_ms - store->clock_offset_ms;
    return due < look ? due : look;
}
