/* The registry: workers that have called. */

#include <stdio.h>
#include <string.h>

#include "base/machine_token.h"
#include "clock.h"
#include "log.h"
#include "store_sql.h"

static const char SHARED[] = "shared"; /* the identity of WORKER_TOKEN */

enum {
    NAMES_MAX = 64, /* workers of one identity; by WORKER_TOKEN any number may be started by hand */
    NAMES_MAX_SHARED = 1024,
    PRUNE_MAX = 100, /* removed for a new one */
    /* Longer than a node counts as here after its last hello, which may have left before the
     * machine was there: one that is cut off just then is away before its machine is refused. */
    DOUBT_MS = 2 * PEER_AWAY_MS
};

/* Whether the last hello of the other node names a machine. */
static bool is_named(const struct peer_state *peer, const char *machine) {
    for (int i = 0; i < peer->machine_count; i++) {
        if (strcmp(peer->machines[i], machine) == 0)
            return true;
    }
    return false;
}

/* Whether a machine that is not named may be a new one, which the next hello names: for a short
 * time from its first call. */
static bool may_be_new(struct peer_state *peer, const char *machine) {
    int64_t now_ms = clock_steady_ms();
    int place = 0;
    for (int i = 0; i < QUEUE_DOUBTED_MAX; i++) {
        if (strcmp(peer->doubted[i].name, machine) == 0)
            return now_ms - peer->doubted[i].since_ms <= DOUBT_MS;
        if (peer->doubted[i].since_ms < peer->doubted[place].since_ms)
            place = i;
    }
    snprintf(peer->doubted[place].name, QUEUE_NAME_SIZE, "%s", machine);
    peer->doubted[place].since_ms = now_ms;
    return true;
}

/* Whether a machine with a good token belongs to the other node. While that is away, or has not
 * said which machines it has, the token alone must do. OK; DOWN, it may be named soon; DENIED. */
static enum queue_result check_at_peer(struct sqlite_store *store, const char *machine) {
    struct peer_state *peer = &store->peer;
    if (!store->conf->has_peer || machine_is_own(store->conf, machine))
        return QUEUE_DENIED;
    if (peer->machine_count < 0 || clock_steady_ms() - peer->heard_ms > PEER_AWAY_MS ||
        is_named(peer, machine))
        return QUEUE_OK;
    return may_be_new(peer, machine) ? QUEUE_DOWN : QUEUE_DENIED;
}

/* Whether a machine exists, and with *drain, whether it is to go. OK, DOWN, DENIED, FAULT. */
static enum queue_result check_machine(struct sqlite_store *store, const char *machine,
                                       int32_t *drain) {
    sqlite3_stmt *statement = store_bind(store, SQL_MACHINE_STATE, "t", machine);
    int64_t state = store_number(store, statement, MACHINE_GONE);
    if (store_state_of(store) != STORE_GOOD)
        return QUEUE_FAULT;
    *drain = state == MACHINE_LEAVING;
    return state < MACHINE_GONE ? QUEUE_OK : check_at_peer(store, machine);
}

/* Whether an identity is in quarantine. Mostly nobody is, and then nothing is looked up. */
static bool is_quarantined(struct sqlite_store *store, const char *identity) {
    if (store->quarantined < 0)
        store->quarantined = store_number(store, store_bind(store, SQL_QUARANTINE_COUNT, ""), 0);
    return store->quarantined > 0 &&
           store_number(store, store_bind(store, SQL_QUARANTINE_HAS, "t", identity), 0) > 0;
}

enum queue_result sqlite_quarantine(struct store *base, const struct queue_quarantine *quarantine) {
    struct sqlite_store *store = sqlite_of(base);
    const char *name = quarantine->identity;
    bool known = is_quarantined(store, name);
    if (known == (quarantine->begins != 0))
        return store_state_of(store) == STORE_GOOD ? QUEUE_NONE : QUEUE_FAULT;
    bool good = quarantine->begins ? store_run(store, SQL_QUARANTINE_BEGIN, "tit", name,
                                               store->wall_ms, quarantine->why)
                                   : store_run(store, SQL_QUARANTINE_END, "t", name) &&
                                         store_audit(store, quarantine->who, "release", name, 0);
    store->quarantined = -1; /* counted when it is wanted */
    if (!good) {
        store_lose(store); /* all or nothing */
        return QUEUE_FAULT;
    }
    log_info("%s is %s in quarantine", name, quarantine->begins ? "now" : "no longer");
    return QUEUE_OK;
}

void store_quarantine_for(struct sqlite_store *store, const struct queue_worker *worker,
                          const struct queue_report_item *item, const struct progress_row *row) {
    struct queue_quarantine quarantine = judge_quarantine(worker, item, row);
    if (sqlite_quarantine(&store->base, &quarantine) == QUEUE_OK)
        judge_log_quarantine(&quarantine);
}

/* Runs a statement that notes a call of a worker. The seq of its row; 0 when there is none, or
 * after a failure. Sets *drain when its machine is to go: a worker that was launched without a
 * token of its machine has that in its row only. */
static int64_t run_seen(struct sqlite_store *store, enum sql sql, const struct queue_worker *worker,
                        int32_t *drain) {
    sqlite3_stmt *statement = store_bind(
        store, sql, "tttttiiii", worker->identity, worker->machine, worker->name, worker->address,
        worker->kernel, worker->cores, worker->rate, store->wall_ms, store_now_ms(store));
    if (!statement)
        return 0;
    int64_t seq = 0;
    if (store_step(store, statement) == SQLITE_ROW) {
        seq = sqlite3_column_int64(statement, 0);
        *drain |= sqlite3_column_int(statement, 1);
    }
    store_end(statement);
    return seq;
}

/* Adds a worker that has not called before. An identity with as many as it may have gets it in
 * place of one of its own, and so has any identity on a full disk: many names cost no room. */
static enum queue_result add_worker(struct sqlite_store *store, const struct queue_worker *worker,
                                    int64_t *seq) {
    bool shared = strcmp(worker->identity, SHARED) == 0;
    int32_t drain = 0;
    int64_t names =
        store_number(store, store_bind(store, SQL_WORKER_NAMES, "t", worker->identity), 0);
    bool full = names >= (shared ? NAMES_MAX_SHARED : NAMES_MAX);
    if (store_state_of(store) != STORE_GOOD)
        return QUEUE_FAULT;
    full = full || (names > 0 && !store_disk_has_room(store));
    if (!store_run(store, SQL_WORKER_PRUNE, "ii", store_now_ms(store) - DAY_MS, (int64_t)PRUNE_MAX))
        return QUEUE_FAULT;
    *seq = run_seen(store, full ? SQL_WORKER_INSTEAD : SQL_WORKER_NEW, worker, &drain);
    return *seq > 0 ? QUEUE_OK : QUEUE_FAULT;
}

enum queue_result store_worker_seen(struct sqlite_store *store, const struct queue_worker *worker,
                                    int64_t *seq, int32_t *drain) {
    *drain = 0;
    if (is_quarantined(store, worker->identity))
        return QUEUE_QUARANTINED;
    if (worker->machine[0] != '\0') {
        enum queue_result result = check_machine(store, worker->machine, drain);
        if (result != QUEUE_OK)
            return result;
    }
    *seq = run_seen(store, SQL_WORKER_SEEN, worker, drain);
    return *seq > 0 ? QUEUE_OK : add_worker(store, worker, seq);
}

/* Whether a worker may retire. OK; CONFLICT: its machine is one of this node's and must stay;
 * FAULT.
 */
static enum queue_result may_retire(struct sqlite_store *store, int64_t seq) {
    sqlite3_stmt *statement =
        store_bind(store, SQL_MACHINE_NEEDED, "ii", seq, store->conf->workers_min);
    if (!statement)
        return QUEUE_FAULT;
    enum queue_result result = QUEUE_FAULT;
    int code = store_step(store, statement);
    if (code == SQLITE_DONE)
        result = QUEUE_OK;
    else if (code == SQLITE_ROW)
        result = sqlite3_column_int(statement, 0) || store_is_paused(store, PART_SCALING)
                     ? QUEUE_CONFLICT
                     : QUEUE_OK;
    store_end(statement);
    return result;
}

enum queue_result sqlite_retire(struct store *base, const struct queue_worker *worker) {
    struct sqlite_store *store = sqlite_of(base);
    int32_t drain;
    int64_t seq;
    enum queue_result result = store_worker_seen(store, worker, &seq, &drain);
    if (result == QUEUE_OK)
        result = may_retire(store, seq);
    if (result != QUEUE_OK)
        return result;
    bool good = store_run(store, SQL_WORKER_RETIRED, "ii", seq, store->wall_ms) &&
                store_run(store, SQL_MACHINE_RETIRE, "ii", seq, store_now_ms(store));
    return good ? QUEUE_OK : QUEUE_FAULT;
}
