/* Peers: who is away, what is kept for them and counted, what they were told, adoption. */

#include <string.h>

#include "log.h"
#include "store_sql.h"

enum {
    ADOPT_MAX = 500,    /* items in one batch */
    ADOPT_PAUSE_MS = 10 /* from one such batch to the next: others are served in between */
};

static const struct peer_state *state_of(const struct store *store, int number) {
    return &store->peers.all[store->conf->peers[number].node];
}

/* How many items are kept that their home may still hand out, or this node adopt. */
static int64_t kept(const struct peer_state *peer) {
    return peer->items[ITEM_WAITING] + peer->items[ITEM_LEASED] + peer->items[ITEM_DONE];
}

struct peer_state *store_peer(struct store *store, int node) {
    struct peers *peers = &store->peers;
    struct peer_state *peer = &peers->all[node];
    if (!peer->touched) {
        peers->before[peers->touched_count] = *peer;
        peers->touched[peers->touched_count++] = node;
        peer->touched = true;
    }
    return peer;
}

void store_count(struct store *store, int home, enum item_state state, int64_t rows,
                 int64_t remaining) {
    if (home < HOME_OWN || home >= NODES || state < 0 || state >= ITEM_STATES) {
        log_error("an item has home %d and state %d: the database is damaged", home, (int)state);
        store->state = STORE_POISONED;
        return;
    }
    if (state > ITEM_LEASED)
        remaining = 0;
    if (home == HOME_OWN || state > ITEM_DONE) {
        store->counts.items[state] += rows;
        store->counts.remaining += remaining;
        return;
    }
    struct peer_state *peer = store_peer(store, home);
    peer->items[state] += rows;
    peer->remaining += remaining;
    store->counts.kept_remaining += remaining;
}

static bool silent_for(const struct store *store, int64_t since_ms, int64_t ms) {
    return since_ms < 0 || store_now_ms(store) - since_ms >= ms;
}

bool store_load_peers(struct store *store) {
    sqlite3_stmt *statement = store_bind(store, SQL_PEER_LOAD, "");
    int code = SQLITE_ERROR;
    for (int node = 0; node < NODES; node++)
        store->peers.all[node].heard_ms = -1;
    while (statement && (code = store_step(store, statement)) == SQLITE_ROW) {
        int node = sqlite3_column_int(statement, 0);
        if (node < 0 || node >= NODES)
            continue;
        struct peer_state *peer = &store->peers.all[node];
        peer->heard_ms = sqlite3_column_int64(statement, 1);
        peer->told = sqlite3_column_int64(statement, 2);
        for (int state = ITEM_WAITING; state <= ITEM_DONE; state++)
            peer->items[state] = sqlite3_column_int64(statement, 3 + state);
        peer->remaining = sqlite3_column_int64(statement, 6);
        store->counts.kept_remaining += peer->remaining;
        peer->restored = sqlite3_column_int(statement, 7) != 0;
        if (peer->items[ITEM_LEASED] > 0)
            store->next_deadline_ms = 0;
    }
    if (statement)
        store_end(statement);
    for (int node = 0; node < NODES; node++) {
        struct peer_state *peer = &store->peers.all[node];
        peer->away = silent_for(store, peer->heard_ms, PEER_AWAY_MS);
        peer->told_us_ms = peer->heard_ms < 0 ? store_now_ms(store) : -1;
    }
    return code == SQLITE_DONE;
}

bool store_save_peers(struct store *store) {
    struct peers *peers = &store->peers;
    bool good = true;
    for (int i = 0; i < peers->touched_count && good; i++) {
        const struct peer_state *peer = &peers->all[peers->touched[i]];
        good = store_run(store, SQL_PEER_SAVE, "iiiiiii", (int64_t)peers->touched[i],
                         peer->heard_ms, peer->told, peer->items[ITEM_WAITING],
                         peer->items[ITEM_LEASED], peer->items[ITEM_DONE], peer->remaining);
    }
    return good;
}

void store_keep_peers(struct store *store) {
    struct peers *peers = &store->peers;
    while (peers->touched_count > 0)
        peers->all[peers->touched[--peers->touched_count]].touched = false;
}

void store_undo_peers(struct store *store) {
    struct peers *peers = &store->peers;
    while (peers->touched_count > 0) {
        peers->touched_count--;
        peers->all[peers->touched[peers->touched_count]] = peers->before[peers->touched_count];
    }
}

void store_note_away(struct store *store) {
    for (int i = 0; i < store->conf->peer_count; i++) {
        int node = store->conf->peers[i].node;
        const struct peer_state *peer = state_of(store, i);
        if (peer->away || !silent_for(store, peer->heard_ms, PEER_AWAY_MS))
            continue;
        store_peer(store, node)->away =
            true; /* saved: others read it from the clock of the batch */
        log_info("node %d is away; items kept for it: %lld waiting, which workers may have", node,
                 (long long)peer->items[ITEM_WAITING]);
    }
}

void store_heard_from(struct store *store, int node) {
    if (node < 0 || node >= NODES)
        return;
    struct peer_state *peer = store_peer(store, node);
    if (peer->away && conf_peer(store->conf, node))
        log_info("node %d is heard from", node);
    if (peer->adopted > 0)
        log_info("node %d was lost and is back; items adopted: %lld", node,
                 (long long)peer->adopted);
    peer->away = false;
    peer->adopted = 0;
    peer->heard_ms = store_now_ms(store);
}

void store_told_by(struct store *store, int node) {
    if (node >= 0 && node < NODES)
        store->peers.all[node].told_us_ms = store_now_ms(store);
}

int64_t store_next_away(const struct store *store) {
    int64_t next = INT64_MAX;
    for (int i = 0; i < store->conf->peer_count; i++) {
        const struct peer_state *peer = state_of(store, i);
        if (!peer->away && peer->heard_ms < next)
            next = peer->heard_ms;
    }
    return next == INT64_MAX ? next : next + PEER_AWAY_MS - store->clock_offset_ms;
}

int64_t store_new_change(struct store *store) {
    if (store->conf->copying == COPY_NONE)
        return 0;
    store->counts.change = store->saved_counts.change + 1;
    return store->counts.change;
}

int64_t store_last_change(const struct store *store) {
    return store->counts.change;
}

enum queue_result store_watch_change(const struct store *store, int64_t seen, int64_t *number) {
    *number = store->counts.change;
    return *number > seen ? QUEUE_OK : QUEUE_NONE;
}

int64_t store_told_change(const struct store *store) {
    return store->conf->copying == COPY_NONE ? INT64_MAX : state_of(store, 0)->told;
}

bool store_may_answer(const struct store *store, int64_t change) {
    return store->conf->copying != COPY_SYNC || state_of(store, 0)->away ||
           state_of(store, 0)->told >= change;
}

enum queue_result store_told(struct store *store, int node, int64_t change) {
    if (node < 0 || node >= NODES)
        return QUEUE_FAULT;
    if (change > store->counts.change)
        change = store->counts.change;
    if (change > store->peers.all[node].told)
        store_peer(store, node)->told = change;
    return QUEUE_OK;
}

enum queue_result store_caught_up(struct store *store, int node) {
    if (node < 0 || node >= NODES || !store_run(store, SQL_PEER_CAUGHT_UP, "i", (int64_t)node))
        return QUEUE_FAULT;
    store_peer(store, node)->restored = false;
    return QUEUE_OK;
}

bool store_is_behind(const struct store *store) {
    bool behind = false;
    for (int i = 0; i < store->conf->peer_count; i++)
        behind = behind || (state_of(store, i)->restored && !state_of(store, i)->away);
    return behind;
}

int64_t store_waiting(const struct store *store) {
    int64_t waiting = store->counts.items[ITEM_WAITING];
    for (int i = 0; i < store->conf->peer_count; i++) {
        if (state_of(store, i)->away)
            waiting += state_of(store, i)->items[ITEM_WAITING];
    }
    return waiting;
}

/* Since when the items kept for a peer that is away have waited for workers here. */
static int64_t offered_since(const struct peer_state *peer) {
    return peer->heard_ms < 0 ? 0 : peer->heard_ms + PEER_AWAY_MS;
}

int64_t store_tally_away(struct store *store, struct queue_tally *tally, int64_t oldest) {
    for (int i = 0; i < store->conf->peer_count; i++) {
        const struct peer_state *peer = state_of(store, i);
        if (!peer->away)
            continue;
        tally->items[ITEM_WAITING] += peer->items[ITEM_WAITING];
        tally->items[ITEM_LEASED] += peer->items[ITEM_LEASED];
        tally->remaining += peer->remaining;
        if (peer->items[ITEM_WAITING] == 0)
            continue;
        int64_t node = store->conf->peers[i].node;
        int64_t since =
            store_number(store, store_bind(store, SQL_OLDEST_KEPT, "i", node), store_now_ms(store));
        if (since < offered_since(peer))
            since = offered_since(peer);
        if (since < oldest)
            oldest = since;
    }
    return oldest;
}

/* The queue clock at which a peer is lost if it is not heard from until then. A peer that tells us
 * of its items is there, even if it was never heard from, or cannot be. */
static int64_t lost_ms(const struct store *store, const struct peer_state *peer) {
    int64_t since = peer->heard_ms > peer->told_us_ms ? peer->heard_ms : peer->told_us_ms;
    return since + store->conf->peer_lost_seconds * 1000;
}

int64_t store_next_adoption(const struct store *store) {
    int64_t next = INT64_MAX;
    for (int i = 0; i < store->conf->peer_count; i++) {
        const struct peer_state *peer = state_of(store, i);
        if (kept(peer) > 0 && lost_ms(store, peer) < next)
            next = lost_ms(store, peer);
    }
    if (next == INT64_MAX)
        return INT64_MAX;
    if (next < store->next_adoption_ms)
        next = store->next_adoption_ms;
    return next - store->clock_offset_ms;
}

/* Adopts some items of a lost peer. False when that failed. */
static bool adopt_some(struct store *store, int node) {
    struct peer_state *peer = store_peer(store, node);
    int count = 0;
    int code = SQLITE_ERROR;
    sqlite3_stmt *statement =
        store_bind(store, SQL_ADOPT, "iiii", (int64_t)node, (int64_t)ADOPT_MAX,
                   store_new_change(store), offered_since(peer));
    while (statement && (code = store_step(store, statement)) == SQLITE_ROW) {
        enum item_state state = (enum item_state)sqlite3_column_int(statement, 0);
        int64_t remaining = sqlite3_column_int64(statement, 1);
        store_count(store, node, state, -1, -remaining);
        store_count(store, HOME_OWN, state, 1, remaining);
        count++;
    }
    if (statement)
        store_end(statement);
    peer->adopted += count;
    if (code == SQLITE_DONE && count == 0) { /* cannot be; it must not be tried for ever */
        log_error("the counts of what is kept for node %d were wrong", node);
        memset(peer->items, 0, sizeof peer->items);
    }
    if (code != SQLITE_DONE)
        store_lose(store);
    return code == SQLITE_DONE;
}

void store_adopt(struct store *store) {
    int64_t now = store_now_ms(store);
    for (int i = 0; i < store->conf->peer_count && now >= store->next_adoption_ms; i++) {
        const struct peer_state *peer = state_of(store, i);
        int node = store->conf->peers[i].node;
        if (!peer->away || kept(peer) == 0 || now < lost_ms(store, peer))
            continue;
        if (peer->adopted == 0)
            log_warn("node %d was not heard from for %lld s and counts as lost: this node adopts "
                     "its items, %lld",
                     node, (long long)store->conf->peer_lost_seconds, (long long)kept(peer));
        store->next_adoption_ms = now + ADOPT_PAUSE_MS;
        if (!adopt_some(store, node) || kept(peer) > 0)
            continue;
        log_warn("node %d: items adopted: %lld", node, (long long)peer->adopted);
        store_peer(store, node)->adopted = 0;
    }
}
