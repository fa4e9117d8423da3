/* Counts that are updated with each change, so that nobody has to count rows: those of the queue,
 * and how they are made again when they cannot be right; and what each identity has in hand. */

#include "base/child.h"
#include "clock.h"
#include "log.h"
#include "store_sql.h"

/* Steps of SQLite's machine after which this process shows that it lives. */
enum { RECOUNT_STEPS = 1000000 };

/* Adds to a count. One that would leave its range was wrong before, or the change is: the batch
 * does not end with it. */
static void add(struct store *store, int64_t *count, int64_t change, int64_t most) {
    int64_t sum;
    if (__builtin_add_overflow(*count, change, &sum) || sum < 0 || sum > most)
        store->counts.wrong = true;
    else
        *count = sum;
}

static void add_items(struct store *store, enum item_state state, int64_t items) {
    add(store, &store->counts.items[state], items, ITEMS_SUM_MAX);
}

static void add_remaining(struct store *store, int64_t change) {
    add(store, &store->counts.remaining, change, REMAINING_SUM_MAX);
}

void store_count_new(struct store *store, enum item_state state, int64_t remaining) {
    add_items(store, state, 1);
    add_remaining(store, remaining);
}

void store_count_removed(struct store *store, enum item_state state, int64_t items) {
    add_items(store, state, -items);
}

void store_note_closed(struct store *store, enum item_state state) {
    int64_t days = state == ITEM_PULLED ? store->conf->pulled_days : store->conf->cancelled_days;
    int64_t due = store_now_ms(store) + days * DAY_MS;
    if (due < store->next_removal_ms)
        store->next_removal_ms = due;
}

void store_count_move(struct store *store, const struct move *move) {
    int64_t before = move->from <= ITEM_LEASED ? move->before : 0;
    int64_t after = move->to <= ITEM_LEASED ? move->after : 0;
    store_count_all(store, 1, move->from, move->to);
    add_remaining(store, after - before);
    store->counts.work.done += move->to == ITEM_DONE;
    store->counts.work.pulled += move->to == ITEM_PULLED;
    if (move->to == ITEM_PULLED || move->to == ITEM_CANCELLED)
        store_note_closed(store, move->to);
}

void store_count_all(struct store *store, int64_t items, enum item_state from, enum item_state to) {
    add_items(store, from, -items);
    add_items(store, to, items);
}

int64_t store_change_items(struct store *store, sqlite3_stmt *statement, enum item_state from,
                           enum item_state to) {
    if (!store_finish(store, statement)) {
        store_lose(store);
        return -1;
    }
    int64_t items = sqlite3_changes64(store->database);
    store_count_all(store, items, from, to);
    return items;
}

void store_note_level(struct store *store) {
    if (store->peer.acknowledged >= store->saved_counts.batch)
        store->peer.level_ms = clock_steady_ms();
}

/* --- Counting again --- */

/* Whether there can be a queue with these counts: some of a state if and only if there is one, and
 * for each item that waits or is leased what it can have left. *read is false when the rows cannot
 * be looked at. */
static bool are_possible(struct store *store, bool *read) {
    const struct counts *counts = &store->counts;
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
    const struct store *store = context;
    if (store->in_batch)
        child_busy();
    return 0;
}

/* Takes the counts from the row of tally_count. What remains comes in two parts, as a sum of rows
 * that makes no sense could overflow. */
static void take_counts(struct counts *counts, sqlite3_stmt *row) {
    const int64_t part = INT64_C(1) << 32;
    int64_t high = sqlite3_column_int64(row, ITEM_STATES);
    int64_t low = sqlite3_column_int64(row, ITEM_STATES + 1);
    for (int state = 0; state < ITEM_STATES; state++)
        counts->items[state] = sqlite3_column_int64(row, state);
    high += low / part;
    counts->remaining =
        high < REMAINING_SUM_MAX / part ? high * part + low % part : REMAINING_SUM_MAX;
    counts->wrong = false;
}

bool store_recount(struct store *store) {
    struct counts *counts = &store->counts;
    sqlite3_progress_handler(store->database, RECOUNT_STEPS, go_on, store);
    sqlite3_stmt *statement = store_bind(store, SQL_TALLY_COUNT, "");
    bool good = statement && store_step(store, statement) == SQLITE_ROW;
    sqlite3_progress_handler(store->database, 0, NULL, NULL);
    if (good) {
        struct counts was = *counts;
        take_counts(counts, statement);
        log_warn(
            "the counts of the queue cannot be right: %lld wait, %lld are leased, %lld iterations "
            "remain. Its rows were counted again: it is %lld, %lld and %lld",
            (long long)was.items[ITEM_WAITING], (long long)was.items[ITEM_LEASED],
            (long long)was.remaining, (long long)counts->items[ITEM_WAITING],
            (long long)counts->items[ITEM_LEASED], (long long)counts->remaining);
    }
    if (statement)
        store_end(statement);
    return good;
}

bool store_check_counts(struct store *store) {
    bool read;
    bool possible = are_possible(store, &read);
    return read && (possible || store_recount(store));
}

/* --- What each identity has in hand --- */

/* The span of LEASE_SECONDS that in_hand.h counts in. */
static int64_t span_of(const struct store *store) {
    return store_now_ms(store) / (store->conf->lease_seconds * 1000);
}

/* Counts the leased items again; after a start, and after a batch that was rolled back. */
static bool count_all(struct store *store) {
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

int32_t store_in_hand_room(struct store *store, const struct queue_worker *worker, int32_t items) {
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

void store_in_hand_worked(struct store *store, const char *identity,
                          const struct in_hand_work *work) {
    in_hand_worked(&store->in_hand, identity, span_of(store), work);
}

/* Adds to what the identity of a worker has in hand. */
static bool add_for(struct store *store, int64_t worker, int64_t items) {
    sqlite3_stmt *statement = store_bind(store, SQL_WORKER_IDENTITY, "i", worker);
    if (!statement)
        return false;
    if (store_step(store, statement) == SQLITE_ROW)
        in_hand_add(&store->in_hand, (const char *)sqlite3_column_text(statement, 0), items);
    store_end(statement);
    return store_state(store) == STORE_GOOD;
}

bool store_in_hand_ended(struct store *store, int64_t worker) {
    return add_for(store, worker, -1);
}

int64_t store_take_back(struct store *store, sqlite3_stmt *statement) {
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
    store_count_all(store, items, ITEM_LEASED, ITEM_WAITING);
    return items;
}
