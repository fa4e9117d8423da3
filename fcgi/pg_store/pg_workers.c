/* Workers that call: their registry, quarantine, and what each identity has in hand. */

#include <string.h>

#include "clock.h"
#include "log.h"
#include "pg_sql.h"
#include "pg_store.h"
#include "postgres/pg_answer.h"

static const char SHARED[] = "shared"; /* the identity of WORKER_TOKEN */

enum {
    LIMIT_MS = 8000,
    NAMES_MAX = 64, /* workers of one identity; by WORKER_TOKEN any number may be started by hand */
    NAMES_MAX_SHARED = 1024,
    PRUNE_MAX = 100,            /* removed for a new one, */
    PRUNE_MS = 24 * 3600 * 1000 /* after so long without a call */
};

/* Runs what was added, in the batch under way. */
static bool run(struct pg_store *store, const char *what) {
    if (pg_run(store->link, PG_STAYS, LIMIT_MS))
        return true;
    pg_store_fault(store, what);
    return false;
}

static int add_text(struct pg_store *store, int sql, const char *text) {
    pg_params_clear(&store->tx->params);
    pg_put_text(&store->tx->params, text);
    return pg_add(store->link, sql, &store->tx->params);
}

/* Adds a statement that notes a call of a worker and gives its number. */
static int add_call(struct pg_store *store, int sql, const struct queue_worker *worker) {
    struct pg_params *params = &store->tx->params;
    pg_params_clear(params);
    pg_put_text(params, worker->identity);
    pg_put_text(params, worker->name);
    pg_put_text(params, worker->address);
    pg_put_text(params, worker->kernel);
    pg_put_int8(params, worker->cores);
    pg_put_int8(params, worker->rate);
    pg_put_int8(params, store->wall_ms);
    pg_put_int8(params, pg_store_now_ms(store));
    return pg_add(store->link, sql, params);
}

/* Adds a worker that has not called before. An identity with as many as it may have gets it in
 * place of one of its own. */
static bool add_worker(struct pg_store *store, const struct queue_worker *worker, int64_t *seq) {
    struct pg_params *params = &store->tx->params;
    int64_t most = strcmp(worker->identity, SHARED) == 0 ? NAMES_MAX_SHARED : NAMES_MAX;
    int64_t names;
    pg_params_clear(params);
    pg_put_int8(params, pg_store_now_ms(store) - PRUNE_MS);
    pg_put_int4(params, PRUNE_MAX);
    pg_add(store->link, PG_SQL_WORKER_PRUNE, params);
    int answer = add_text(store, PG_SQL_WORKER_NAMES, worker->identity);
    if (!run(store, "counting workers"))
        return false;
    bool good = pg_get_int8(store->link, answer, 0, 0, &names);
    answer =
        good ? add_call(store, names >= most ? PG_SQL_WORKER_INSTEAD : PG_SQL_WORKER_NEW, worker)
             : -1;
    good = good && run(store, "adding a worker") && pg_get_int8(store->link, answer, 0, 0, seq);
    if (!good)
        pg_store_fault(store, "adding a worker");
    return good;
}

/* Notes that a worker is known by the batch under way. */
static void keep_seen(struct pg_store *store, const struct queue_worker *worker, int64_t seq) {
    if (store->seen_count == PG_SEEN_MAX)
        return;
    memcpy(store->seen[store->seen_count].identity, worker->identity, QUEUE_NAME_SIZE);
    memcpy(store->seen[store->seen_count].name, worker->name, QUEUE_NAME_SIZE);
    store->seen[store->seen_count++].seq = seq;
}

enum queue_result pg_store_worker_seen(struct pg_store *store, const struct queue_worker *worker,
                                       int64_t *seq) {
    int64_t bad = 0;
    for (int i = 0; i < store->seen_count; i++) {
        *seq = store->seen[i].seq;
        if (strcmp(store->seen[i].identity, worker->identity) == 0 &&
            strcmp(store->seen[i].name, worker->name) == 0)
            return QUEUE_OK;
    }
    if (worker->machine[0] != '\0')
        return QUEUE_DENIED;
    if (!pg_store_read(store)) /* what begins the batch */
        return QUEUE_FAULT;
    int has = add_text(store, PG_SQL_QUARANTINE_HAS, worker->identity);
    int answer = add_call(store, PG_SQL_WORKER_SEEN, worker);
    if (!run(store, "noting a worker"))
        return QUEUE_FAULT;
    bool is_known = pg_rows(store->link, answer) > 0;
    if (!pg_get_int8(store->link, has, 0, 0, &bad) ||
        (is_known && !pg_get_int8(store->link, answer, 0, 0, seq))) {
        pg_store_fault(store, "noting a worker");
        return QUEUE_FAULT;
    }
    if (bad > 0)
        return QUEUE_QUARANTINED;
    if (!is_known && !add_worker(store, worker, seq))
        return QUEUE_FAULT;
    store->is_changed = true;
    keep_seen(store, worker, *seq);
    return QUEUE_OK;
}

enum queue_result pg_store_is_same(struct pg_store *store, int64_t seq,
                                   const struct queue_worker *worker) {
    int64_t others;
    pg_params_clear(&store->tx->params);
    pg_put_int8(&store->tx->params, seq);
    pg_put_text(&store->tx->params, worker->identity);
    int answer = pg_add(store->link, PG_SQL_WORKER_OF_OTHER, &store->tx->params);
    if (!run(store, "looking for a worker"))
        return QUEUE_FAULT;
    if (!pg_get_int8(store->link, answer, 0, 0, &others)) {
        pg_store_fault(store, "looking for a worker");
        return QUEUE_FAULT;
    }
    return others == 0 ? QUEUE_OK : QUEUE_NONE;
}

enum queue_result postgres_quarantine(struct store *base,
                                      const struct queue_quarantine *quarantine) {
    struct pg_store *store = pg_store_of(base);
    struct pg_params *params = &store->tx->params;
    int answer;
    if (!pg_store_read(store)) /* what begins the batch */
        return QUEUE_FAULT;
    if (quarantine->begins) {
        pg_params_clear(params);
        pg_put_text(params, quarantine->identity);
        pg_put_int8(params, store->wall_ms);
        pg_put_text(params, quarantine->why);
        answer = pg_add(store->link, PG_SQL_QUARANTINE_BEGIN, params);
    } else {
        answer = add_text(store, PG_SQL_QUARANTINE_END, quarantine->identity);
    }
    if (!run(store, "quarantine"))
        return QUEUE_FAULT;
    if (pg_rows(store->link, answer) == 0)
        return QUEUE_NONE;
    store->is_changed = true;
    store->seen_count = 0;
    log_info("%s is %s in quarantine", quarantine->identity,
             quarantine->begins ? "now" : "no longer");
    return QUEUE_OK;
}

/* --- What each identity has in hand --- */

int64_t pg_store_span(const struct pg_store *store) {
    return pg_store_now_ms(store) / (store->conf->lease_seconds * 1000);
}

/* Counts the leased items again, those of all nodes. */
static bool count_all(struct pg_store *store) {
    int answer = pg_add(store->link, PG_SQL_LEASES_IN_HAND, NULL);
    if (!run(store, "counting leased items"))
        return false;
    in_hand_clear(&store->in_hand);
    for (int row = 0; row < pg_rows(store->link, answer); row++) {
        const char *identity;
        int64_t items;
        if (!pg_get_text(store->link, answer, row, 0, &identity) ||
            !pg_get_int8(store->link, answer, row, 1, &items)) {
            pg_store_fault(store, "counting leased items");
            return false;
        }
        in_hand_add(&store->in_hand, identity, items);
    }
    store->in_hand.known = true;
    store->in_hand_ms = clock_steady_ms() + store->conf->lease_seconds * 1000;
    return true;
}

bool pg_store_ended(struct pg_store *store, int64_t worker) {
    const char *identity;
    if (!store->in_hand.known)
        return true;
    for (int i = 0; i < store->seen_count; i++) {
        if (store->seen[i].seq == worker) {
            in_hand_add(&store->in_hand, store->seen[i].identity, -1);
            return true;
        }
    }
    pg_params_clear(&store->tx->params);
    pg_put_int8(&store->tx->params, worker);
    int answer = pg_add(store->link, PG_SQL_WORKER_IDENTITY, &store->tx->params);
    if (!run(store, "looking for a worker"))
        return false;
    if (pg_rows(store->link, answer) == 0) /* it was removed */
        return true;
    if (!pg_get_text(store->link, answer, 0, 0, &identity)) {
        pg_store_fault(store, "looking for a worker");
        return false;
    }
    in_hand_add(&store->in_hand, identity, -1);
    return true;
}

int32_t pg_store_in_hand_room(struct pg_store *store, const struct queue_worker *worker,
                              int32_t items) {
    int64_t left_out;
    if (!store->in_hand.known && !count_all(store))
        return -1;
    int64_t room = in_hand_room(&store->in_hand, worker->identity, pg_store_span(store),
                                store->conf->in_hand_start);
    if (room == 0 && log_limit_passes(&store->held, worker->identity, &left_out))
        log_warn("%s has more items in hand than it computes: worker %s gets none until some are "
                 "reported (%lld more since the last such line)",
                 worker->identity, worker->name, (long long)left_out);
    return room < items ? (int32_t)room : items;
}
