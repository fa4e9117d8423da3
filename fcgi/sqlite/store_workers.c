/* The registry: workers that have called, and decisions. */

#include "store_sql.h"

int64_t store_worker_seen(struct store *store, const struct queue_worker *worker, int32_t *drain) {
    sqlite3_stmt *statement = store_bind(
        store, SQL_WORKER_SEEN, "ttttiiii", worker->name, worker->machine, worker->address,
        worker->kernel, worker->cores, worker->rate, store->wall_ms, store_now_ms(store));
    *drain = 0;
    if (!statement)
        return 0;
    int64_t seq = 0;
    if (store_step(store, statement) == SQLITE_ROW) {
        seq = sqlite3_column_int64(statement, 0);
        *drain = sqlite3_column_int(statement, 1);
        store_step(store, statement);
    }
    store_end(statement);
    return seq;
}

/* Whether a worker may retire. OK; CONFLICT: its machine is one of this node's and must stay;
 * FAULT.
 */
static enum queue_result may_retire(struct store *store, const struct queue_worker *worker,
                                    int64_t seq) {
    sqlite3_stmt *statement = store_bind(store, SQL_MACHINE_NEEDED, "tii", worker->machine, seq,
                                         store->conf->workers_min);
    if (!statement)
        return QUEUE_FAULT;
    enum queue_result result = QUEUE_FAULT;
    int code = store_step(store, statement);
    if (code == SQLITE_DONE)
        result = QUEUE_OK;
    else if (code == SQLITE_ROW)
        result = sqlite3_column_int(statement, 0) ? QUEUE_CONFLICT : QUEUE_OK;
    store_end(statement);
    return result;
}

enum queue_result store_retire(struct store *store, const struct queue_worker *worker) {
    int32_t drain;
    int64_t seq = store_worker_seen(store, worker, &drain);
    if (seq == 0)
        return QUEUE_FAULT;
    enum queue_result result = may_retire(store, worker, seq);
    if (result != QUEUE_OK)
        return result;
    bool good = store_run(store, SQL_WORKER_RETIRED, "ii", seq, store->wall_ms) &&
                store_run(store, SQL_MACHINE_RETIRE, "ti", worker->machine, store_now_ms(store));
    return good ? QUEUE_OK : QUEUE_FAULT;
}

bool store_save_decision(struct store *store, const char *why) {
    return store_run(store, SQL_DECISION_ADD, "it", store->wall_ms, why) &&
           store_run(store, SQL_DECISION_PRUNE, "");
}
