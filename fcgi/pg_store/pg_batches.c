/* Batches: the connection, the clock, begin and commit. */

#include <inttypes.h>
#include <poll.h>

#include "clock.h"
#include "log.h"
#include "pg_sql.h"
#include "pg_store.h"
#include "postgres/pg_answer.h"

enum {
    LIMIT_MS = 8000,
    TICK_MS = 1000,  /* between two looks at the server's clock and at other nodes' counts */
    OUTAGE_MS = 5000 /* a longer time without one does not count */
};

/* Compares the clock with the server's, and counts with other nodes. False after a failure. */
static bool tick(struct pg_store *store) {
    struct pg_params *params = &store->tx->params;
    int64_t clock_ms;
    pg_begin(store->link);
    pg_params_clear(params);
    pg_put_int8(params, OUTAGE_MS);
    int answer = pg_add(store->link, PG_SQL_CLOCK_TICK, params);
    if (!pg_run(store->link, PG_COMMITS, LIMIT_MS) ||
        !pg_get_int8(store->link, answer, 0, 0, &clock_ms) ||
        !pg_get_int4(store->link, answer, 0, 1, &store->paused))
        return false;
    int64_t now = clock_steady_ms();
    store->clock_offset_ms = clock_ms - now;
    store->tick_ms = now + TICK_MS;
    return pg_store_hear(store) && pg_store_look_around(store);
}

/* Closes a connection that is of no use any more. */
static void disconnect(struct pg_store *store) {
    pg_link_close(store->link);
    store->link = NULL;
    store->tx->link = NULL;
}

bool pg_store_enter(struct pg_store *store) {
    struct tx_counts counts = {0};
    struct ledger_counts *to = &store->ledger.counts;
    if (!tx_enter(store->tx, store->link, &counts))
        return false;
    for (int state = 0; state < ITEM_STATES; state++)
        to->items[state] = counts.items[state];
    to->remaining = counts.remaining;
    to->rank = (struct rank_clock){
        .now = rank_sane(counts.now), .top = rank_sane(counts.top), .loose = true};
    store->ledger.saved = *to;
    return tick(store) && pg_store_load_clients(store);
}

/* Goes on where the last commit left off, of which nothing is known. True when that is known now;
 * *committed says what it is. */
static bool resolve(struct pg_store *store, bool *committed) {
    int64_t tried = store->tx->number + 1;
    enum tx_outcome outcome = tx_resolve(store->tx, store->link);
    *committed = outcome == TX_COMMITTED;
    if (outcome == TX_REPLACED) {
        log_error("another writer has node %d: this one ends; batch %" PRId64 " may be done or not",
                  store->tx->node, tried);
        store->state = STORE_UNSURE;
    } else if (outcome == TX_BEHIND) {
        log_error("the server of PostgreSQL has lost batches of node %d that were acknowledged: "
                  "batch %" PRId64 " was the last one",
                  store->tx->node, tried - 1);
        store->state = STORE_UNSURE; /* counts and clients are those of before: begin anew */
    }
    return outcome != TX_UNRESOLVED && store->state != STORE_UNSURE;
}

/* Connects, when there is no connection. */
static bool connect_again(struct pg_store *store) {
    if (store->link && !store->link->conn)
        disconnect(store);
    if (!store->link)
        store->link = pg_server_connect(&store->server);
    return store->link != NULL;
}

bool postgres_begin(struct store *base) {
    struct pg_store *store = pg_store_of(base);
    bool is_new = !store->link || !store->link->conn;
    bool committed = false;
    if (store->state == STORE_UNSURE)
        return false;
    store->state = STORE_GOOD;
    if (!connect_again(store)) {
        store->state = STORE_LOST;
        return false;
    }
    /* Behind a new connection the node's row may be somewhere else, or another one's. */
    if (is_new && (!resolve(store, &committed) || committed)) {
        if (committed) /* it was given up as not done */
            store->state = STORE_UNSURE;
        else
            pg_fault_log(&store->faults, &store->link->fault, "going on behind the last batch");
        pg_store_lose(store);
        disconnect(store);
        return false;
    }
    if (clock_steady_ms() >= store->tick_ms && !tick(store)) {
        pg_store_fault(store, "looking at the clock and at other nodes");
        return false;
    }
    int64_t now = clock_steady_ms() + store->clock_offset_ms;
    if (now > store->clock_ms)
        store->clock_ms = now;
    store->wall_ms = clock_wall_ms();
    store->in_batch = true;
    store->is_changed = false;
    store->seen_count = 0;
    if (clock_steady_ms() >= store->in_hand_ms)
        store->in_hand.known = false;
    ledger_begin(&store->ledger);
    pg_store_begin_homes(store);
    tx_begin(store->tx);
    return true;
}

void postgres_rollback(struct store *base) {
    struct pg_store *store = pg_store_of(base);
    if (store->in_batch && store->link && store->link->conn)
        tx_give_up(store->tx);
    store->in_batch = false;
    store->in_hand.known = false;
    store->tick_ms = 0; /* what was paused in the batch is not */
    pg_store_end_homes(store, false);
    ledger_undo(&store->ledger);
    if (store->state != STORE_UNSURE)
        store->state = STORE_GOOD;
}

/* Ends a batch that is committed. */
static bool keep(struct pg_store *store) {
    store->in_batch = false;
    store->reruns = 0;
    pg_store_end_homes(store, true);
    ledger_keep(&store->ledger);
    return true;
}

/* Waits until the server may be connected to again, at most until a moment. */
static void wait_to_connect(struct pg_store *store, int64_t until_ms) {
    int64_t next = store->server.retry.not_before_ms;
    disconnect(store);
    poll(NULL, 0, clock_timeout_ms(next < until_ms ? next : until_ms));
}

/* Finds out what became of a commit, for as long as those who wait for it may be kept waiting. */
static bool find_out(struct pg_store *store) {
    int64_t until = clock_steady_ms() + store->conf->operation_seconds * 1000 / 2;
    bool committed = false;
    for (bool known = false; !known && store->state == STORE_GOOD;) {
        if (clock_steady_ms() >= until) {
            log_error("what became of batch %" PRId64 " of node %d cannot be found out now",
                      store->tx->number + 1, store->tx->node);
            store->state = STORE_UNSURE;
        } else {
            known = connect_again(store) && resolve(store, &committed);
            if (!known)
                wait_to_connect(store, until);
        }
    }
    if (committed)
        return keep(store);
    pg_store_lose(store);
    return false;
}

/* Ends a batch that only read. */
static bool end_unchanged(struct pg_store *store) {
    tx_give_up(store->tx);
    store->in_batch = false;
    ledger_undo(&store->ledger);
    metrics_add_work(&store->ledger.done); /* what it has refused */
    return true;
}

bool postgres_commit(struct store *base) {
    struct pg_store *store = pg_store_of(base);
    const struct ledger_counts *counts = &store->ledger.counts;
    const struct client_counts *elsewhere = &store->ledger.elsewhere;
    struct tx_counts saved = {.remaining = counts->remaining - elsewhere->remaining,
                              .now = counts->rank.now,
                              .top = counts->rank.top};
    if (store->state != STORE_GOOD)
        return false;
    if (!store->is_changed)
        return end_unchanged(store);
    for (int state = 0; state < ITEM_STATES; state++)
        saved.items[state] = counts->items[state] - elsewhere->items[state];
    int64_t began_us = clock_steady_us();
    if (!pg_store_read(store))
        return false;
    pg_store_save_clients(store);
    if (tx_commit(store->tx, &saved)) {
        metrics_add_commit(clock_steady_us() - began_us);
        return keep(store);
    }
    if (store->link->fault.kind == PG_UNKNOWN) {
        pg_fault_log(&store->faults, &store->link->fault, "committing a batch");
        return find_out(store);
    }
    pg_store_fault(store, "committing a batch");
    return false;
}

enum store_state postgres_state(const struct store *base) {
    return pg_store_of(base)->state;
}

int64_t postgres_last_batch(const struct store *base) {
    return pg_store_of(base)->tx->number;
}
