/* The state of the peer, and of the replica that it keeps of this database. */

#include <string.h>

#include "clock.h"
#include "log.h"
#include "store_sql.h"

enum { CLOSE_BATCHES = 64 /* a replica that lacks at most this many is close */ };

/* Warns of items that are set aside for a node that is not the peer: nobody asks that node, so they
 * stay set aside. */
static void warn_of_forgotten(struct sqlite_store *store) {
    int64_t node = store->conf->has_peer ? store->conf->peer.node : -1;
    int64_t items = store_number(store, store_bind(store, SQL_RESERVED_ELSEWHERE, "i", node), 0);
    if (items > 0)
        log_warn("%lld items are set aside for pulls at a node that PEERS does not name: name it "
                 "until it has said what has become of them",
                 (long long)items);
}

bool store_load_peer(struct sqlite_store *store) {
    warn_of_forgotten(store);
    store->peer = (struct peer_state){.heard_ms = -1, .machine_count = -1};
    if (!store->conf->has_peer)
        return true;
    sqlite3_stmt *statement =
        store_bind(store, SQL_PEER_LOAD, "i", (int64_t)store->conf->peer.node);
    int code = statement ? store_step(store, statement) : SQLITE_ERROR;
    if (code == SQLITE_ROW)
        store->counts.incomplete_wall_ms = sqlite3_column_int64(statement, 3);
    if (statement)
        store_end(statement);
    return code == SQLITE_ROW || code == SQLITE_DONE;
}

void store_heard_from(struct sqlite_store *store) {
    int64_t now_ms = clock_steady_ms();
    /* What comes after a silence may be old: machines that it does not name have time again. */
    if (now_ms - store->peer.heard_ms > PEER_AWAY_MS)
        memset(store->peer.doubted, 0, sizeof store->peer.doubted);
    store->peer.heard_ms = now_ms;
}

int64_t sqlite_last_batch(const struct store *base) {
    return sqlite_of(base)->saved_counts.batch;
}

bool sqlite_may_answer(const struct store *base, int64_t batch) {
    const struct sqlite_store *store = sqlite_of(base);
    bool waits = store->saved_counts.incomplete_wall_ms == 0 || store->peer.catching;
    bool has = store->peer.proven && store->peer.acknowledged >= batch;
    return store->conf->copying != COPY_SYNC || !waits || has;
}

/* Saves since when the replica is incomplete; 0: it is complete. */
static bool save_incomplete(struct sqlite_store *store, int64_t wall_ms) {
    store->counts.incomplete_wall_ms = wall_ms;
    return store_run(store, SQL_PEER_INCOMPLETE, "ii", (int64_t)store->conf->peer.node, wall_ms);
}

bool sqlite_note_incomplete(struct store *base) {
    struct sqlite_store *store = sqlite_of(base);
    store->peer.catching = false;
    if (store->saved_counts.incomplete_wall_ms != 0)
        return true;
    if (sqlite_begin(base) && save_incomplete(store, store->wall_ms) && sqlite_commit(base)) {
        log_warn("the replica at node %d does not follow: with COPY=sync clients are answered "
                 "without it, and it is incomplete until it has all",
                 store->conf->peer.node);
        return true;
    }
    sqlite_rollback(base);
    log_warn("it cannot be saved that the replica is incomplete: clients are not answered");
    return false;
}

/* Lets an incomplete replica catch up. Once it is close, answers wait for it again, so that it can
 * catch up under any load. It is complete when it has all batches from before that moment. */
static bool catch_up(struct sqlite_store *store) {
    struct peer_state *peer = &store->peer;
    int64_t last = store->saved_counts.batch;
    if (peer->copying != COPY_FOLLOWING) {
        peer->catching = false;
        return true;
    }
    if (!peer->catching && last - peer->acknowledged <= CLOSE_BATCHES) {
        peer->catching = true;
        peer->caught = last;
    }
    if (!peer->catching || !peer->proven || peer->acknowledged < peer->caught)
        return true;
    log_info("the replica at node %d has all again", store->conf->peer.node);
    peer->catching = false;
    return save_incomplete(store, 0);
}

bool sqlite_is_superseded(const struct store *base) {
    const struct sqlite_store *store = sqlite_of(base);
    return store->peer.copying == COPY_SUPERSEDED;
}

enum queue_result sqlite_acknowledge(struct store *base,
                                     const struct queue_acknowledged *acknowledged) {
    struct sqlite_store *store = sqlite_of(base);
    struct peer_state *peer = &store->peer;
    bool follows = acknowledged->state == COPY_FOLLOWING;
    peer->copying = acknowledged->state;
    if (acknowledged->state != COPY_UNKNOWN) /* else its position is as before */
        peer->acknowledged = follows ? acknowledged->batch : 0;
    peer->proven = follows && acknowledged->proven;
    store_note_level(store);
    bool good = store->saved_counts.incomplete_wall_ms == 0 || catch_up(store);
    return good ? QUEUE_OK : QUEUE_FAULT;
}

void store_tally_copying(const struct sqlite_store *store, struct queue_copying *copying) {
    const struct peer_state *peer = &store->peer;
    int64_t now = clock_steady_ms();
    int64_t opened = store->opened_ms - store->clock_offset_ms;
    int64_t since = peer->heard_ms > opened ? peer->heard_ms : opened;
    int64_t level = peer->level_ms > 0 ? peer->level_ms : opened;
    int64_t batches = store->saved_counts.batch - peer->acknowledged;
    *copying =
        (struct queue_copying){.state = peer->copying,
                               .away = now - since >= PEER_AWAY_MS,
                               .heard_ms = peer->heard_ms < 0 ? -1 : now - peer->heard_ms,
                               .known = peer->copying == COPY_FOLLOWING || peer->acknowledged > 0,
                               .batches = batches > 0 ? batches : 0,
                               .behind_ms = batches > 0 ? now - level : 0};
}

/* Reads the peer's database as last met; epoch 0 when none was. False after a failure. */
static bool read_met(struct sqlite_store *store, int32_t node, struct queue_identity *met) {
    sqlite3_stmt *statement = store_bind(store, SQL_PEER_LOAD, "i", (int64_t)node);
    int code = statement ? store_step(store, statement) : SQLITE_ERROR;
    *met = (struct queue_identity){0};
    bool good = code == SQLITE_ROW || code == SQLITE_DONE;
    if (code == SQLITE_ROW && sqlite3_column_type(statement, 1) != SQLITE_NULL) {
        good = store_blob(store, statement, 1, met->database.bytes, ID_SIZE);
        met->epoch = sqlite3_column_int64(statement, 2);
    }
    if (statement)
        store_end(statement);
    return good;
}

enum queue_result store_meet(struct sqlite_store *store, int32_t node,
                             const struct queue_identity *now) {
    struct queue_identity met;
    if (!read_met(store, node, &met))
        return QUEUE_FAULT;
    if (!queue_is_current(&met, now))
        return QUEUE_CONFLICT;
    if (memcmp(&met, now, sizeof met) == 0)
        return QUEUE_OK;
    return store_run(store, SQL_PEER_MET, "iui", (int64_t)node, now->database.bytes, now->epoch)
               ? QUEUE_OK
               : QUEUE_FAULT;
}

enum queue_result sqlite_raise(struct store *base, const struct queue_raise *raise) {
    struct sqlite_store *store = sqlite_of(base);
    return store_meet(store, raise->node, &raise->identity);
}
