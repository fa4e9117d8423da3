/*
 * Pulls that hand out items of both nodes. The node whose client pulls is the coordinator.
 *
 * 1. The coordinator saves the pull as open, with its own part.
 * 2. The other node sets its part aside under the pull's tag.
 * 3. The coordinator saves the pull as closed, with the number of the other's items.
 * 4. The client is answered.
 *
 * The other node asks the coordinator for the fate of a pull until it knows.
 */

#include <stddef.h>
#include <string.h>

#include "log.h"
#include "random.h"
#include "store_sql.h"

enum {
    OPEN_MS = 60000, /* an older open pull has lost its process: no request takes this long */
    REMOVE_MAX = 200,
    LATE_MS = 24 * 3600 * 1000 /* no message is under way for longer */
};

/* --- The coordinator --- */

/* A row of the statements spread_find and spread_again. */
struct spread {
    uint8_t tag[PULL_TAG_SIZE];
    uint8_t key[PULL_TAG_SIZE]; /* of spread_again */
    int64_t own;
    int64_t wanted;
    int64_t rest;      /* -1 while it is open */
    int64_t closed_ms; /* queue clock; of spread_again, -1 while it is open */
};

/* Reads the row of a statement, and ends the statement. OK, NONE, FAULT. */
static enum queue_result read_spread(struct sqlite_store *store, sqlite3_stmt *statement,
                                     struct spread *spread) {
    enum { TAG, OWN, WANTED, REST, KEY, CLOSED };
    if (!statement)
        return QUEUE_FAULT;
    int code = store_step(store, statement);
    bool good = code == SQLITE_ROW && store_blob(store, statement, TAG, spread->tag, PULL_TAG_SIZE);
    if (good && sqlite3_column_count(statement) > KEY)
        good = store_blob(store, statement, KEY, spread->key, PULL_TAG_SIZE);
    if (good) {
        spread->own = sqlite3_column_int64(statement, OWN);
        spread->wanted = sqlite3_column_int64(statement, WANTED);
        spread->rest = sqlite3_column_int64(statement, REST);
        spread->closed_ms = sqlite3_column_int64(statement, CLOSED);
    }
    store_end(statement);
    return good ? QUEUE_OK : code == SQLITE_DONE ? QUEUE_NONE : QUEUE_FAULT;
}

/* Fills in the batch's part about the pull over both nodes. */
static void share(const struct sqlite_store *store, const struct spread *spread,
                  struct queue_batch *batch) {
    bool open = spread->rest < 0;
    batch->kept_days = (int32_t)store->conf->pulled_days;
    batch->age_ms = -1;
    batch->rest = (int32_t)(open ? spread->wanted : spread->rest);
    batch->share = batch->count != spread->own ? PULL_GONE
                   : open                      ? PULL_OPEN
                   : batch->rest > 0           ? PULL_CLOSED
                                               : PULL_WHOLE;
    memcpy(batch->tag, spread->tag, PULL_TAG_SIZE);
}

enum queue_result store_spread_again(struct sqlite_store *store, const struct queue_pull *pull,
                                     const uint8_t key[PULL_TAG_SIZE], struct queue_batch *batch) {
    struct tag_range range = pull_tags_of_key(key);
    struct spread spread;
    enum queue_result result = read_spread(
        store, store_bind(store, SQL_SPREAD_AGAIN, "pp", range.low, range.high), &spread);
    if (result != QUEUE_OK)
        return result;
    if (memcmp(spread.key, key, PULL_TAG_SIZE) != 0)
        return QUEUE_CONFLICT;
    if (!store_read_pulled(store, spread.tag, pull->oldest, batch))
        return QUEUE_FAULT;
    share(store, &spread, batch);
    if (spread.closed_ms >= 0)
        batch->age_ms = store_now_ms(store) - spread.closed_ms;
    return QUEUE_OK;
}

enum queue_result store_spread_open(struct sqlite_store *store, const struct queue_pull *pull,
                                    const uint8_t *key, struct queue_batch *batch) {
    struct spread spread = {.own = batch->count, .wanted = pull->top - batch->count, .rest = -1};
    random_fill(spread.tag, PULL_TAG_SIZE);
    spread.tag[PULL_TAG_SIZE - 1] = PULL_TAG_END;
    if (!store_hand_out(store, pull->client, batch, pull->oldest, spread.tag, -1) ||
        !store_run(store, SQL_SPREAD_ADD, "ppiiii", spread.tag, key, (int64_t)pull->peer,
                   spread.own, spread.wanted, store_now_ms(store))) {
        store_lose(store); /* all or nothing */
        return QUEUE_FAULT;
    }
    int64_t due = store_now_ms(store) + OPEN_MS;
    if (!key && due < store->next_given_up_ms)
        store->next_given_up_ms = due;
    share(store, &spread, batch);
    return QUEUE_OK;
}

/* Notes that the other node knows that the pull is closed. */
static enum queue_result settle_own(struct sqlite_store *store, const struct queue_close *close) {
    return store_run(store, SQL_SPREAD_SETTLED, "p", close->tag) ? QUEUE_OK : QUEUE_FAULT;
}

/* Counts the items of a tag as handed out, from now on. */
static bool close_items(struct sqlite_store *store, const uint8_t *tag) {
    int code = SQLITE_ERROR;
    sqlite3_stmt *statement = store_bind(store, SQL_PULL_CLOSE, "pi", tag, store_now_ms(store));
    while (statement && (code = store_step(store, statement)) == SQLITE_ROW)
        store_count_pulled(store, sqlite3_column_int64(statement, 0), 1);
    if (statement)
        store_end(statement);
    return code == SQLITE_DONE;
}

/* Saves that a pull is closed; removes an empty one. */
static bool save_closed(struct sqlite_store *store, const uint8_t *tag, const struct spread *spread,
                        int64_t rest) {
    int64_t now = store_now_ms(store);
    if (spread->own == 0 && rest == 0)
        return store_run(store, SQL_SPREAD_REMOVE, "p", tag);
    store_note_closed(store, ITEM_PULLED); /* retention removes the pull, too */
    return store_run(store, SQL_SPREAD_CLOSE, "pii", tag, rest, now) && close_items(store, tag);
}

enum queue_result sqlite_close_pull(struct store *base, const struct queue_close *close) {
    struct sqlite_store *store = sqlite_of(base);
    struct spread spread;
    if (close->settled)
        return settle_own(store, close);
    enum queue_result result =
        read_spread(store, store_bind(store, SQL_SPREAD_FIND, "p", close->tag), &spread);
    if (result != QUEUE_OK)
        return result;
    if (spread.rest >= 0) /* the same request, sent by two processes */
        return spread.rest == close->rest ? QUEUE_OK : QUEUE_CONFLICT;
    if (save_closed(store, close->tag, &spread, close->rest) &&
        store_audit_by_key(store, close->who, "pull", close->client, spread.own + close->rest))
        return QUEUE_OK;
    store_lose(store);
    return QUEUE_FAULT;
}

/* Takes back the items that were handed out under a tag: they are done again. False after a
 * failure. */
static bool take_back(struct sqlite_store *store, const uint8_t *tag) {
    sqlite3_stmt *free = store_bind(store, SQL_PULL_FREE, "p", tag);
    return store_change_items(store, free, ITEM_PULLED, ITEM_DONE) >= 0;
}

void sqlite_give_up_pulls(struct store *base) {
    struct sqlite_store *store = sqlite_of(base);
    int64_t now = store_now_ms(store);
    uint8_t tag[PULL_TAG_SIZE];
    if (now < store->next_given_up_ms)
        return;
    sqlite3_stmt *statement = store_bind(store, SQL_SPREAD_ABANDONED, "i", now - OPEN_MS);
    bool found = statement && store_step(store, statement) == SQLITE_ROW &&
                 store_blob(store, statement, 0, tag, PULL_TAG_SIZE);
    if (statement)
        store_end(statement);
    if (found && (!take_back(store, tag) || !store_run(store, SQL_SPREAD_REMOVE, "p", tag))) {
        store_lose(store);
        return;
    }
    if (found)
        log_warn("a pull was never answered: its items are to be pulled again");
    int64_t opened = store_number(store, store_bind(store, SQL_SPREAD_NEXT_OPEN, ""), INT64_MAX);
    store->next_given_up_ms = opened == INT64_MAX ? INT64_MAX : opened + OPEN_MS;
}

int64_t sqlite_next_given_up(const struct store *base) {
    const struct sqlite_store *store = sqlite_of(base);
    if (store->next_given_up_ms == INT64_MAX)
        return INT64_MAX;
    return store->next_given_up_ms - store->clock_offset_ms;
}

bool store_remove_old_pulls(struct sqlite_store *store, int64_t closed_ms) {
    return store_run(store, SQL_SPREAD_REMOVE_OLD, "ii", closed_ms, (int64_t)REMOVE_MAX);
}

/* --- The other node --- */

/* A row of the table reservation. */
struct reservation {
    int64_t count;
    int64_t epoch;
    bool settled;
};

/* Finds the reservation of a tag. OK, NONE, FAULT. */
static enum queue_result find_reservation(struct sqlite_store *store, const uint8_t *tag,
                                          struct reservation *reservation) {
    sqlite3_stmt *statement = store_bind(store, SQL_RESERVATION_FIND, "p", tag);
    if (!statement)
        return QUEUE_FAULT;
    int code = store_step(store, statement);
    if (code == SQLITE_ROW)
        *reservation = (struct reservation){.count = sqlite3_column_int64(statement, 0),
                                            .epoch = sqlite3_column_int64(statement, 1),
                                            .settled = sqlite3_column_int(statement, 2) != 0};
    store_end(statement);
    return code == SQLITE_ROW ? QUEUE_OK : code == SQLITE_DONE ? QUEUE_NONE : QUEUE_FAULT;
}

/* Sets done items aside, if there are any. False after a failure. */
static bool set_aside(struct sqlite_store *store, const struct queue_reserve *reserve,
                      struct queue_batch *batch) {
    if (!store_select_done(store, reserve->client, reserve->top, reserve->oldest, batch))
        return false;
    if (batch->count == 0)
        return true;
    if (store_hand_out(store, reserve->client, batch, reserve->oldest, reserve->tag, -1) &&
        store_run(store, SQL_RESERVATION_ADD, "piii", reserve->tag, (int64_t)reserve->node,
                  reserve->identity.epoch, (int64_t)batch->count))
        return true;
    store_lose(store);
    return false;
}

enum queue_result sqlite_reserve_items(struct store *base, const struct queue_reserve *reserve,
                                       struct queue_batch *batch) {
    struct sqlite_store *store = sqlite_of(base);
    struct reservation reservation;
    enum queue_result met = store_meet(store, reserve->node, &reserve->identity);
    memset(batch, 0, offsetof(struct queue_batch, items));
    batch->kept_days = (int32_t)store->conf->pulled_days;
    if (met != QUEUE_OK)
        return met; /* a superseded database must hand nothing out */
    enum queue_result found = find_reservation(store, reserve->tag, &reservation);
    bool good =
        found != QUEUE_FAULT && store_read_pulled(store, reserve->tag, reserve->oldest, batch);
    if (good && found == QUEUE_OK)
        good = store_run(store, SQL_RESERVATION_RENEW, "pi", reserve->tag, reserve->identity.epoch);
    else if (good && batch->count == 0 && !reserve->again)
        good = set_aside(store, reserve, batch);
    return good ? QUEUE_OK : QUEUE_FAULT;
}

/* Notes that the other node handed the reserved items out. The reservation stays until the other
 * node knows that this one knows. */
static bool hand_over(struct sqlite_store *store, const struct queue_settle *settle,
                      const struct reservation *reservation) {
    if (settle->fate.rest != reservation->count)
        log_error("node %d handed out %d items of a pull for which %lld are set aside here",
                  (int)settle->node, (int)settle->fate.rest, (long long)reservation->count);
    return close_items(store, settle->tag) &&
           store_run(store, SQL_RESERVATION_SETTLE, "p", settle->tag);
}

/* Notes that the other node knows it. The row stays while a late message about the pull may be
 * under way, which would otherwise set items aside that nobody gets. */
static bool note_known(struct sqlite_store *store, const uint8_t *tag) {
    int64_t now = store_now_ms(store);
    if (now + LATE_MS < store->next_removal_ms)
        store->next_removal_ms = now + LATE_MS;
    return store_run(store, SQL_RESERVATION_KNOWN, "pi", tag, now);
}

int64_t store_remove_old_reservations(struct sqlite_store *store) {
    store_run(store, SQL_RESERVATION_REMOVE_OLD, "ii", store_now_ms(store) - LATE_MS,
              (int64_t)REMOVE_MAX);
    int64_t closed =
        store_number(store, store_bind(store, SQL_RESERVATION_NEXT_CLOSED, ""), INT64_MAX);
    return closed == INT64_MAX ? INT64_MAX : closed + LATE_MS;
}

enum queue_result sqlite_settle(struct store *base, const struct queue_settle *settle) {
    struct sqlite_store *store = sqlite_of(base);
    const uint8_t *tag = settle->tag;
    const struct queue_fate *fate = &settle->fate;
    struct reservation reservation;
    enum queue_result result = find_reservation(store, tag, &reservation);
    if (result != QUEUE_OK)
        return result == QUEUE_NONE ? QUEUE_OK : result;
    bool good = true;
    if (reservation.settled)
        good = !settle->known || note_known(store, tag);
    else if (settle->epoch < reservation.epoch || fate->fate == PULL_IS_OPEN)
        good = true; /* nothing is known yet */
    else if (fate->fate == PULL_IS_CLOSED && fate->rest > 0)
        good = hand_over(store, settle, &reservation);
    else
        good = take_back(store, tag) && store_run(store, SQL_RESERVATION_REMOVE, "p", tag);
    if (!good)
        store_lose(store);
    return good ? QUEUE_OK : QUEUE_FAULT;
}
