/* What operators do and ask: pauses, what is kept of it, the tally. */

#include <stdio.h>
#include <string.h>

#include "log.h"
#include "pg_sql.h"
#include "pg_store.h"
#include "postgres/pg_answer.h"

enum {
    LIMIT_MS = 8000,
    AUDIT_MAX = 100000,         /* rows */
    WORKER_ALIVE_MS = 60 * 1000 /* a worker counts for so long after a call */
};

/* Runs what was added, in the batch under way. False after a failure. */
static bool run(struct pg_store *store, const char *what) {
    if (pg_run(store->link, PG_STAYS, LIMIT_MS))
        return true;
    pg_store_fault(store, what);
    return false;
}

/* Keeps what an operator has done. False after a failure. */
static bool audit(struct pg_store *store, const char *who, const char *what, const char *about,
                  int64_t items) {
    struct pg_params *params = &store->tx->params;
    int64_t seq = 0;
    if (!pg_store_read(store)) /* what begins the batch */
        return false;
    pg_params_clear(params);
    pg_put_int8(params, store->wall_ms);
    pg_put_text(params, who);
    pg_put_text(params, what);
    pg_put_text(params, about);
    pg_put_int8(params, items);
    int answer = pg_add(store->link, PG_SQL_AUDIT_ADD, params);
    if (!run(store, "keeping what an operator does") ||
        !pg_get_int8(store->link, answer, 0, 0, &seq)) {
        pg_store_fault(store, "keeping what an operator does");
        return false;
    }
    pg_params_clear(params);
    pg_put_int8(params, seq - AUDIT_MAX);
    pg_add(store->link, PG_SQL_AUDIT_PRUNE, params);
    store->is_changed = true;
    return run(store, "keeping what an operator does");
}

bool pg_store_audit_by_key(struct pg_store *store, const char *who, const char *what,
                           const char *about, int64_t items) {
    return who[0] == '\0' || items == 0 || audit(store, who, what, about, items);
}

/* The name of a part. */
static const char *name_of(int32_t part) {
    int number = 0;
    while (number < QUEUE_PARTS - 1 && part != 1 << number)
        number++;
    return queue_part_names[number];
}

enum queue_result postgres_pause(struct store *base, const struct queue_pause *pause,
                                 int64_t *paused) {
    struct pg_store *store = pg_store_of(base);
    struct pg_params *params = &store->tx->params;
    int32_t before;
    int32_t after;
    if (!pg_store_read(store)) /* what begins the batch */
        return QUEUE_FAULT;
    pg_params_clear(params);
    pg_put_int4(params, pause->part);
    pg_put_bool(params, pause->begins != 0);
    int answer = pg_add(store->link, PG_SQL_PAUSE_SET, params);
    if (!run(store, "pausing") || !pg_get_int4(store->link, answer, 0, 0, &before) ||
        !pg_get_int4(store->link, answer, 0, 1, &after)) {
        pg_store_fault(store, "pausing");
        return QUEUE_FAULT;
    }
    store->paused = after;
    *paused = after;
    if (before == after)
        return QUEUE_OK;
    if (!audit(store, pause->who, pause->begins ? "pause" : "resume", name_of(pause->part), 0))
        return QUEUE_FAULT;
    log_info("%s is %s by %s", name_of(pause->part), pause->begins ? "paused" : "resumed",
             pause->who[0] ? pause->who : "an operator");
    return QUEUE_OK;
}

enum queue_result postgres_retire(struct store *base, const struct queue_worker *worker) {
    struct pg_store *store = pg_store_of(base);
    int64_t seq;
    enum queue_result result = pg_store_worker_seen(store, worker, &seq);
    if (result != QUEUE_OK)
        return result;
    pg_params_clear(&store->tx->params);
    pg_put_int8(&store->tx->params, seq);
    pg_put_int8(&store->tx->params, store->wall_ms);
    pg_add(store->link, PG_SQL_WORKER_RETIRED, &store->tx->params);
    store->seen_count = 0; /* a call behind this one takes it back */
    return run(store, "noting that a worker retires") ? QUEUE_OK : QUEUE_FAULT;
}

enum queue_result postgres_tally(struct store *base, const struct queue_whose *whose,
                                 struct queue_tally *tally) {
    struct pg_store *store = pg_store_of(base);
    struct pg_params *params = &store->tx->params;
    int64_t now = pg_store_now_ms(store);
    int64_t oldest;
    tally->clock_ms = now;
    if (!whose->all) {
        ledger_tally_client(&store->ledger, whose->client, tally);
        return QUEUE_OK;
    }
    if (!pg_store_read(store)) /* what begins the batch */
        return QUEUE_FAULT;
    ledger_tally(&store->ledger, tally);
    tally->paused = store->paused;
    tally->disk_full = 0;
    tally->backed_up_wall_ms = 0;
    tally->copying = (struct queue_copying){.heard_ms = -1};
    pg_params_clear(params);
    pg_put_int8(params, now);
    int wait = pg_add(store->link, PG_SQL_OLDEST_WAIT, params);
    pg_params_clear(params);
    pg_put_int8(params, now - WORKER_ALIVE_MS);
    int workers = pg_add(store->link, PG_SQL_WORKERS_ALIVE, params);
    if (!run(store, "counting") || !pg_get_int8(store->link, wait, 0, 0, &oldest) ||
        !pg_get_int8(store->link, workers, 0, 0, &tally->workers)) {
        pg_store_fault(store, "counting");
        return QUEUE_FAULT;
    }
    tally->oldest_wait_ms = now > oldest ? now - oldest : 0;
    return QUEUE_OK;
}
