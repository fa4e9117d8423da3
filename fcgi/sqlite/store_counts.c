/* Counts that are updated with each change, so that nobody has to count rows: those of the queue,
 * and how they are made again when they cannot be right; and what each identity has in hand. */

#include <string.h>

#include "base/child.h"
#include "clock.h"
#include "log.h"
#include "store_sql.h"

/* Steps of SQLite's machine after which this process shows that it lives. */
enum { RECOUNT_STEPS = 1000000 };

void store_note_closed(struct sqlite_store *store, enum item_state state) {
    int64_t days = state == ITEM_PULLED ? store->conf->pulled_days : store->conf->cancelled_days;
    int64_t due = store_now_ms(store) + days * DAY_MS;
    if (due < store->next_removal_ms)
        store->next_removal_ms = due;
}

void store_count_pulled(struct sqlite_store *store, int64_t client, int64_t items) {
    ledger_pulled(&store->ledger, client, items);
    store_note_closed(store, ITEM_PULLED);
}

int64_t store_change_items(struct sqlite_store *store, sqlite3_stmt *statement,
                           enum item_state from, int to) {
    int64_t items = 0;
    int code = SQLITE_ERROR;
    while (statement && (code = store_step(store, statement)) == SQLITE_ROW) {
        ledger_move_items(&store->ledger, sqlite3_column_int64(statement, 0), 1, from, to);
        items++;
    }
    if (statement)
        store_end(statement);
    if (code == SQLITE_DONE)
        return items;
    store_lose(store);
    return -1;
}

void store_note_level(struct sqlite_store *store) {
    if (store->peer.acknowledged >= store->saved_counts.batch)
        store->peer.level_ms = clock_steady_ms();
}

/* --- Counting again --- */

/* Whether there can be a queue with these counts: some of a state if and only if there is one, and
 * for each item that waits or is leased what it can have left. *read is false when the rows cannot
 * be looked at. */
static bool are_possible(struct sqlite_store *store, bool *read) {
    const struct ledger_counts *counts = &store->ledger.counts;
    sqlite3_stmt *statement = store_bind(store, SQL_TALLY_PRESENCE, "");
    *read = statement && store_step(store, statement) == SQLITE_ROW;
    bool possible = true;
    for (int state = 0; state < ITEM_STATES && *read; state++) {
        bool some = sqlite3_column_int(statement, state) != 0;
        possible = possible && counts->items[state] >= 0 && counts->items[state] <= ITEMS_SUM_MAX &&
                   (counts->items[state] > 0) == some;
    }
    if (statement)
        store_end(statement);
    if (!possible)
        return false;
    int64_t open = counts->items[ITEM_WAITING] + counts->items[ITEM_LEASED];
    return counts->remaining >= open && counts->remaining <= REMAINING_SUM_MAX &&
           counts->remaining / QUEUE_ITERATIONS_MAX <= open && (open > 0 || counts->remaining == 0);
}

/* SQLite calls this while it counts, which may take longer than BUSY_SECONDS. There is no such
 * limit at the start. */
static int go_on(void *context) {
    const struct sqlite_store *store = context;
    if (store->in_batch)
        child_busy();
    return 0;
}

bool store_recount(struct sqlite_store *store) {
    const struct ledger_counts *counts = &store->ledger.counts;
    const struct ledger_counts was = *counts;
    int code = SQLITE_ERROR;
    sqlite3_progress_handler(store->database, RECOUNT_STEPS, go_on, store);
    sqlite3_stmt *statement = store_bind(store, SQL_TALLY_COUNT, "");
    if (statement)
        ledger_forget(&store->ledger);
    while (statement && (code = store_step(store, statement)) == SQLITE_ROW)
        ledger_found(&store->ledger, sqlite3_column_int64(statement, 0),
                     sqlite3_column_int64(statement, 1), sqlite3_column_int64(statement, 2));
    sqlite3_progress_handler(store->database, 0, NULL, NULL);
    if (statement)
        store_end(statement);
    store->ledger.wrong = false; /* rows that belong to nobody stay uncounted */
    if (code != SQLITE_DONE)
        return false;
    log_warn("the counts of the queue cannot be right: %lld wait, %lld are leased, %lld iterations "
             "remain. Its rows were counted again: it is %lld, %lld and %lld",
             (long long)was.items[ITEM_WAITING], (long long)was.items[ITEM_LEASED],
             (long long)was.remaining, (long long)counts->items[ITEM_WAITING],
             (long long)counts->items[ITEM_LEASED], (long long)counts->remaining);
    return true;
}

bool store_check_counts(struct sqlite_store *store) {
    bool read;
    bool possible = are_possible(store, &read) && ledger_adds_up(&store->ledger);
    return read && (possible || store_recount(store));
}

/* --- Clients --- */

struct client *store_client_or_new(struct sqlite_store *store, const char *name) {
    struct client *client = clients_named(&store->ledger.clients, name);
    if (client)
        return client;
    if (store->ledger.clients.count >= CLIENTS_MAX) {
        log_error("there are %d clients, which is as many as a node can have: the first item of %s "
                  "was refused",
                  CLIENTS_MAX, name);
        return NULL;
    }
    if (!store_run(store, SQL_CLIENT_ADD, "it", (int64_t)store->ledger.clients.count, name)) {
        store_lose(store);
        return NULL;
    }
    client = clients_add(&store->ledger.clients, store->ledger.clients.count, name);
    client->is_new = true;
    clients_note(&store->ledger.clients, client);
    return client;
}

/* Adds the client of a row of clients_all. Rows come by seq; some may have been lost. */
static bool load_client(struct sqlite_store *store, sqlite3_stmt *row) {
    enum { SEQ, NAME, WEIGHT, FINISH, ITEMS, REMAINING = ITEMS + ITEM_STATES };
    const char *name = (const char *)sqlite3_column_text(row, NAME);
    int64_t seq = sqlite3_column_int64(row, SEQ);
    if (!name || strlen(name) >= QUEUE_NAME_SIZE || seq < store->ledger.clients.count ||
        seq >= CLIENTS_MAX || clients_named(&store->ledger.clients, name)) {
        log_error("the table client has rows that no program made: the database is damaged");
        store->state = STORE_POISONED;
        return false;
    }
    struct client *client = clients_add(&store->ledger.clients, seq, name);
    rank_load(&client->rank, sqlite3_column_int64(row, FINISH), sqlite3_column_int64(row, WEIGHT));
    for (int state = 0; state < ITEM_STATES; state++)
        client->counts.items[state] = sqlite3_column_int64(row, ITEMS + state);
    client->counts.remaining = sqlite3_column_int64(row, REMAINING);
    client->saved = client->counts;
    client->saved_rank = client->rank;
    return true;
}

/* Reads the items of the last hour that wait: short ones that come now overtake them. */
static bool load_lately(struct sqlite_store *store) {
    enum { LATELY_MAX = 20000 };
    int64_t now = store_now_ms(store);
    int code = SQLITE_ERROR;
    sqlite3_stmt *row =
        store_bind(store, SQL_CLIENTS_LATELY, "ii", now - RANK_PASS_MAX_MS, (int64_t)LATELY_MAX);
    while (row && (code = store_step(store, row)) == SQLITE_ROW) {
        struct client *client = clients_at(&store->ledger.clients, sqlite3_column_int64(row, 0));
        const struct rank_item item = {.clock_ms = sqlite3_column_int64(row, 1),
                                       .iterations = sqlite3_column_int64(row, 2),
                                       .penalty_ns = store->conf->size_penalty_ns};
        if (client)
            rank_load_item(&client->rank, &item, sqlite3_column_int64(row, 3), now);
    }
    if (row)
        store_end(row);
    for (int64_t i = 0; i < store->ledger.clients.count; i++) {
        struct client *client = clients_at(&store->ledger.clients, i);
        if (!client)
            continue;
        rank_loaded(&store->ledger.counts.rank, &client->rank);
        client->saved_rank = client->rank;
    }
    return code == SQLITE_DONE;
}

/* Gives no client the number of one whose row was lost, but not its items. */
static bool keep_lost_numbers(struct sqlite_store *store) {
    int64_t last = store_number(store, store_bind(store, SQL_CLIENT_LAST, ""), -1);
    if (last >= CLIENTS_MAX) {
        log_error("the table item has clients that no program made: the database is damaged");
        store->state = STORE_POISONED;
    } else if (last >= store->ledger.clients.count) {
        log_error(
            "the table client lacks the last rows: the database is damaged. Their items stay, "
            "and are nobody's after --recover");
        clients_reserve(&store->ledger.clients, last + 1);
    }
    return store_state_of(store) == STORE_GOOD;
}

bool store_load_clients(struct sqlite_store *store) {
    int code = SQLITE_ERROR;
    sqlite3_stmt *statement = store_bind(store, SQL_CLIENTS_ALL, "");
    if (!statement)
        return false;
    while ((code = store_step(store, statement)) == SQLITE_ROW && load_client(store, statement))
        continue;
    store_end(statement);
    return code == SQLITE_DONE && keep_lost_numbers(store) && load_lately(store);
}

bool store_save_clients(struct sqlite_store *store) {
    for (int i = 0; i < store->ledger.clients.changed_count; i++) {
        const struct client *client = store->ledger.clients.changed[i].client;
        const int64_t *items = client->counts.items;
        if (!store_run(store, SQL_CLIENT_SAVE, "iiiiiiiii", client->seq, client->rank.weight,
                       client->rank.finish, items[ITEM_WAITING], items[ITEM_LEASED],
                       items[ITEM_DONE], items[ITEM_PULLED], items[ITEM_CANCELLED],
                       client->counts.remaining))
            return false;
    }
    return true;
}

/* --- What each identity has in hand --- */

/* The span of LEASE_SECONDS that in_hand.h counts in. */
static int64_t span_of(const struct sqlite_store *store) {
    return store_now_ms(store) / (store->conf->lease_seconds * 1000);
}

/* Counts the leased items again; after a start, and after a batch that was rolled back. */
static bool count_all(struct sqlite_store *store) {
    int code = SQLITE_ERROR;
    sqlite3_stmt *statement = store_bind(store, SQL_IN_HAND, "");
    if (!statement)
        return false;
    in_hand_clear(&store->in_hand);
    while ((code = store_step(store, statement)) == SQLITE_ROW)
        in_hand_add(&store->in_hand, (const char *)sqlite3_column_text(statement, 0), 1);
    store_end(statement);
    store->in_hand.known = code == SQLITE_DONE;
    return store->in_hand.known;
}

int32_t store_in_hand_room(struct sqlite_store *store, const struct queue_worker *worker,
                           int32_t items) {
    if (!store->in_hand.known && !count_all(store))
        return -1;
    int64_t room =
        in_hand_room(&store->in_hand, worker->identity, span_of(store), store->conf->in_hand_start);
    int64_t left_out;
    if (room == 0 && log_limit_passes(&store->held, worker->identity, &left_out))
        log_warn("%s has more items in hand than it computes: worker %s gets none until some are "
                 "reported (%lld more since the last such line)",
                 worker->identity, worker->name, (long long)left_out);
    return room < items ? (int32_t)room : items;
}

void store_in_hand_worked(struct sqlite_store *store, const char *identity,
                          const struct in_hand_work *work) {
    in_hand_worked(&store->in_hand, identity, span_of(store), work);
}

/* Adds to what the identity of a worker has in hand. */
static bool add_for(struct sqlite_store *store, int64_t worker, int64_t items) {
    sqlite3_stmt *statement = store_bind(store, SQL_WORKER_IDENTITY, "i", worker);
    if (!statement)
        return false;
    if (store_step(store, statement) == SQLITE_ROW)
        in_hand_add(&store->in_hand, (const char *)sqlite3_column_text(statement, 0), items);
    store_end(statement);
    return store_state_of(store) == STORE_GOOD;
}

bool store_in_hand_ended(struct sqlite_store *store, int64_t worker) {
    return add_for(store, worker, -1);
}

int64_t store_take_back(struct sqlite_store *store, sqlite3_stmt *statement) {
    int64_t items = 0;
    int64_t run = 0; /* rows of one worker that follow each other, */
    int64_t worker = 0;
    int code = SQLITE_ERROR;
    bool good = statement != NULL;
    while (good && (code = store_step(store, statement)) == SQLITE_ROW) {
        int64_t of = sqlite3_column_int64(statement, 0);
        if (of != worker && run > 0) {
            good = add_for(store, worker, -run);
            run = 0;
        }
        ledger_move_items(&store->ledger, sqlite3_column_int64(statement, 1), 1, ITEM_LEASED,
                          ITEM_WAITING);
        worker = of;
        run++;
        items++;
    }
    if (statement)
        store_end(statement);
    good = good && code == SQLITE_DONE && (run == 0 || add_for(store, worker, -run));
    if (!good) {
        store_lose(store);
        return -1;
    }
    return items;
}
