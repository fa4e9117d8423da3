/* Clients: those that are known, new ones, and what is saved of them. */

#include <string.h>

#include "pg_sql.h"
#include "pg_store.h"
#include "postgres/pg_answer.h"

enum {
    PAGE = 1000,
    LIMIT_MS = 8000,
    HEARD_LATE_MS = 20000 /* what was saved so long ago is committed by now, or never */
};

/* Reads counts from a column on. */
static bool read_counts(struct pg_link *link, int answer, int row, int column,
                        struct client_counts *counts) {
    for (int state = 0; state < ITEM_STATES; state++) {
        if (!pg_get_int8(link, answer, row, column + state, &counts->items[state]))
            return false;
    }
    return pg_get_int8(link, answer, row, column + ITEM_STATES, &counts->remaining);
}

/* Adds the client of a row of clients_at_node. NULL, with a fault, when it cannot be one. */
static struct client *load_client(struct pg_store *store, int answer, int row, int64_t *seq) {
    struct pg_link *link = store->link;
    const char *name = NULL;
    int64_t weight;
    int64_t finish;
    struct client_counts own;
    struct client_counts elsewhere;
    if (!pg_get_int8(link, answer, row, 0, seq) || !pg_get_text(link, answer, row, 1, &name) ||
        !pg_get_int8(link, answer, row, 2, &weight) ||
        !pg_get_int8(link, answer, row, 3, &finish) || !read_counts(link, answer, row, 4, &own) ||
        !read_counts(link, answer, row, 5 + ITEM_STATES, &elsewhere))
        return NULL;
    if (strlen(name) >= QUEUE_NAME_SIZE || *seq < 1 || *seq >= CLIENTS_MAX ||
        clients_at(&store->ledger.clients, *seq) || clients_named(&store->ledger.clients, name)) {
        pg_fault_set(&link->fault, PG_SCHEMA,
                     "the table client has a row %lld that cannot be: there may be %d clients",
                     (long long)*seq, CLIENTS_MAX - 1);
        return NULL;
    }
    struct client *client = clients_add(&store->ledger.clients, *seq, name);
    rank_load(&client->rank, finish, weight);
    client->counts = client->saved = own;
    ledger_hear_of(client, &elsewhere);
    client->saved_rank = client->rank;
    return client;
}

/* Adds the statement that reads clients behind one. Returns its answer. */
static int add_page(struct pg_store *store, int64_t behind, int32_t most) {
    struct pg_params *params = &store->tx->params;
    pg_params_clear(params);
    pg_put_int4(params, store->tx->node);
    pg_put_int8(params, behind);
    pg_put_int4(params, most);
    return pg_add(store->link, PG_SQL_CLIENTS_AT_NODE, params);
}

bool pg_store_load_clients(struct pg_store *store) {
    int64_t last = 0;
    for (int rows = PAGE; rows == PAGE;) {
        int answer = add_page(store, last, PAGE);
        if (!pg_run(store->link, PG_STAYS, LIMIT_MS))
            return false;
        rows = pg_rows(store->link, answer);
        for (int row = 0; row < rows; row++) {
            if (!load_client(store, answer, row, &last))
                return false;
        }
    }
    return true;
}

static void put_name(struct pg_params *params, const char *name) {
    pg_params_clear(params);
    pg_open_array(params, PG_TEXT);
    pg_put_text(params, name);
    pg_close_array(params);
}

/* Reads the number of a client in the batch under way; with is_new it is added first. 0: there is
 * none. False after a failure. */
static bool read_seq(struct pg_store *store, const char *name, bool is_new, int64_t *seq) {
    struct pg_params *params = &store->tx->params;
    *seq = 0;
    if (!pg_store_read(store)) /* what begins the batch */
        return false;
    put_name(params, name);
    if (is_new)
        pg_add(store->link, PG_SQL_CLIENTS_NEW, params);
    int answer = pg_add(store->link, PG_SQL_CLIENTS_READ, params);
    if (pg_run(store->link, PG_STAYS, LIMIT_MS) &&
        (pg_rows(store->link, answer) == 0 || pg_get_int8(store->link, answer, 0, 1, seq)))
        return true;
    pg_store_fault(store, "looking for a client");
    return false;
}

bool pg_store_client_at(struct pg_store *store, int64_t seq, struct client **client) {
    int64_t found = 0;
    *client = clients_at(&store->ledger.clients, seq);
    if (*client)
        return true;
    if (!pg_store_read(store)) /* what begins the batch */
        return false;
    int answer = add_page(store, seq - 1, 1);
    if (!pg_run(store->link, PG_STAYS, LIMIT_MS) ||
        !(*client = load_client(store, answer, 0, &found))) {
        pg_store_fault(store, "looking for a client");
        return false;
    }
    (*client)->is_new = true; /* it may be of this batch: then it goes with it */
    clients_note(&store->ledger.clients, *client);
    return found == seq;
}

bool pg_store_client(struct pg_store *store, const char *name, bool is_new,
                     struct client **client) {
    int64_t seq;
    *client = clients_named(&store->ledger.clients, name);
    if (*client)
        return true;
    if (!read_seq(store, name, is_new, &seq))
        return false;
    return seq == 0 || pg_store_client_at(store, seq, client);
}

bool pg_store_hear(struct pg_store *store) {
    struct pg_params *params = &store->tx->params;
    struct client_counts elsewhere;
    pg_params_clear(params);
    pg_put_int4(params, store->tx->node);
    int nodes = pg_add(store->link, PG_SQL_NODES_ELSEWHERE, params);
    pg_put_int8(params, store->clock_ms - HEARD_LATE_MS);
    int clients = pg_add(store->link, PG_SQL_CLIENTS_ELSEWHERE, params);
    if (!pg_run(store->link, PG_STAYS, LIMIT_MS) ||
        !read_counts(store->link, nodes, 0, 0, &elsewhere))
        return false;
    ledger_hear(&store->ledger, &elsewhere);
    for (int row = 0; row < pg_rows(store->link, clients); row++) {
        int64_t seq;
        if (!pg_get_int8(store->link, clients, row, 0, &seq) ||
            !read_counts(store->link, clients, row, 1, &elsewhere))
            return false;
        struct client *client = clients_at(&store->ledger.clients, seq);
        if (client) /* another one is read when it is wanted */
            ledger_hear_of(client, &elsewhere);
    }
    return true;
}

/* Which of the columns of clients_save. */
static int64_t column(const struct client *client, int at) {
    if (at < ITEM_STATES)
        return client->counts.items[at] - client->elsewhere.items[at];
    return at == ITEM_STATES ? client->counts.remaining - client->elsewhere.remaining
                             : client->rank.finish;
}

void pg_store_save_clients(struct pg_store *store) {
    struct pg_params *params = &store->tx->params;
    const struct clients *clients = &store->ledger.clients;
    if (clients->changed_count == 0)
        return;
    pg_params_clear(params);
    pg_put_int4(params, store->tx->node);
    pg_open_array(params, PG_INT4);
    for (int i = 0; i < clients->changed_count; i++)
        pg_put_int4(params, (int32_t)clients->changed[i].client->seq);
    pg_close_array(params);
    for (int at = 0; at < ITEM_STATES + 2; at++) {
        pg_open_array(params, PG_INT8);
        for (int i = 0; i < clients->changed_count; i++)
            pg_put_int8(params, column(clients->changed[i].client, at));
        pg_close_array(params);
    }
    pg_open_array(params, PG_INT4);
    for (int i = 0; i < clients->changed_count; i++)
        pg_put_int4(params, (int32_t)clients->changed[i].client->rank.weight);
    pg_close_array(params);
    pg_put_int8(params, pg_store_now_ms(store));
    pg_add(store->link, PG_SQL_CLIENTS_SAVE, params);
}
