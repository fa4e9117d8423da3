/*
 * The history: a row of what was done in each minute. After two days the rows of an hour become
 * one, and after 13 months it is removed; a little of that with each new row, so that a wrong clock
 * costs a few rows and not all. There are never many more rows than those of two days and of 13
 * months.
 *
 * What was not counted has no row, and what was counted is never in a row of another minute: a
 * minute begins and ends by the steady clock. When the wall clock was set back, there are rows of
 * what comes next already. Those that were not counted whole are added to; what is too much is
 * dropped.
 */

#include "base/refusals.h"
#include "clock.h"
#include "rows/history_columns.h"
#include "store_sql.h"

enum {
    MINUTE_SECONDS = 60,
    HOUR_SECONDS = 3600,
    MINUTES_KEPT = 2 * 24 * HOUR_SECONDS, /* for so long rows are of minutes, */
    HOURS_KEPT = 396 * 24 * HOUR_SECONDS, /* and for so long they are kept */
    AHEAD_MAX = 24 * HOUR_SECONDS,        /* rows of a later time are of a wrong clock */
    REMOVE_MAX = 4,                       /* with each new row, of either end */
    LOOK_MS = 100,                        /* between two looks at the longest wait */
    SHORT_MS = 500,                       /* half of the shortest time that is counted */
    ROUNDING = 2                          /* seconds by which parts of a minute may seem longer */
};

void store_begin_minute(struct sqlite_store *store) {
    int64_t wall = clock_wall_ms() > 0 ? clock_wall_ms() : 0;
    int64_t left = MINUTE_SECONDS * 1000 - wall % (MINUTE_SECONDS * 1000);
    if (left <= SHORT_MS) /* the wall clock is a little late */
        left += MINUTE_SECONDS * 1000;
    int64_t now = clock_steady_ms();
    store->minute = (struct minute){.at = (wall + left) / 1000 - MINUTE_SECONDS,
                                    .since_ms = now,
                                    .until_ms = now + left,
                                    .work = store->ledger.saved.work,
                                    .refused = refusals_count()};
}

int64_t sqlite_next_history(const struct store *base) {
    return sqlite_of(base)->minute.until_ms;
}

/* Sees how long an item waits, before the batch hands it out. */
static void look(struct sqlite_store *store) {
    struct minute *minute = &store->minute;
    int64_t now = clock_steady_ms();
    if (store->ledger.counts.items[ITEM_WAITING] == 0 ||
        (now - minute->looked_ms < LOOK_MS && now < minute->until_ms))
        return;
    minute->looked_ms = now;
    int64_t clock = store_now_ms(store);
    int64_t wait = clock - store_number(store, store_bind(store, SQL_OLDEST, ""), clock);
    if (wait > minute->oldest_wait_ms)
        minute->oldest_wait_ms = wait;
}

static bool read_row(struct sqlite_store *store, int64_t at, struct history_row *row) {
    sqlite3_stmt *statement = store_bind(store, SQL_HISTORY_ROW, "i", at);
    bool found = statement && store_step(store, statement) == SQLITE_ROW;
    if (found)
        history_columns_read(statement, row);
    if (statement)
        store_end(statement);
    return found;
}

static bool put_row(struct sqlite_store *store, const struct history_row *row) {
    const struct queue_step *step = &row->step;
    return store_run(store, SQL_HISTORY_PUT, "iiiiiiiiiiii", row->at, row->width, step->seconds,
                     step->work.enqueued, step->work.done, step->work.pulled, step->work.iterations,
                     step->refused, step->waiting, step->oldest_wait_ms, step->workers,
                     step->machines);
}

/* What was counted of the minute before this batch. False when that is nothing. */
static bool count_minute(struct sqlite_store *store, struct queue_step *step) {
    const struct minute *minute = &store->minute;
    const struct queue_work *work = &store->ledger.saved.work;
    int64_t now = clock_steady_ms();
    int64_t ms = (now < minute->until_ms ? now : minute->until_ms) - minute->since_ms;
    int64_t refused = refusals_count() - minute->refused;
    int64_t seconds = (ms + SHORT_MS) / 1000;
    *step = (struct queue_step){
        .seconds = seconds < MINUTE_SECONDS ? seconds : MINUTE_SECONDS,
        .work = {.enqueued = work->enqueued - minute->work.enqueued,
                 .done = work->done - minute->work.done,
                 .pulled = work->pulled - minute->work.pulled,
                 .iterations = work->iterations - minute->work.iterations},
        .refused = refused > 0 ? refused : 0,
        .waiting = store->ledger.saved.items[ITEM_WAITING],
        .oldest_wait_ms = minute->oldest_wait_ms,
        .workers = store_number(
            store, store_bind(store, SQL_WORKERS_ALIVE, "i", store_now_ms(store) - WORKER_ALIVE_MS),
            0),
        .machines = store_number(store, store_bind(store, SQL_MACHINES_COUNT, ""), 0)};
    if (seconds > 0)
        return true;
    step->seconds = 1;
    return step->work.enqueued + step->work.done + step->work.pulled + step->work.iterations > 0;
}

/* Saves the minute: in a row of its own, in the one that is there from before a start, or in that
 * of its hour. */
static void save_minute(struct sqlite_store *store) {
    struct history_row row = {.at = store->minute.at, .width = MINUTE_SECONDS};
    struct history_row found;
    struct queue_step step;
    int64_t hour = row.at - row.at % HOUR_SECONDS;
    if (!count_minute(store, &step) || !store_reserve_holds(store))
        return;
    if ((read_row(store, hour, &found) && found.width == HOUR_SECONDS) ||
        read_row(store, row.at, &found))
        row = found;
    if (row.step.seconds + step.seconds > row.width + ROUNDING)
        return; /* it was counted before: the wall clock was set back */
    history_join(&row.step, &step);
    if (row.step.seconds > row.width)
        row.step.seconds = row.width;
    put_row(store, &row);
    if (row.at < store->thin_from)
        store->thin_from = row.at;
}

/* Makes the rows from the start of an hour on one row. */
static void thin_hour(struct sqlite_store *store, int64_t hour) {
    struct history_row row = {.at = hour, .width = HOUR_SECONDS};
    struct history_row found;
    int64_t end = hour + HOUR_SECONDS;
    sqlite3_stmt *rows = store_bind(store, SQL_HISTORY_ROWS, "ii", hour, end);
    int code = SQLITE_ERROR;
    while (rows && (code = store_step(store, rows)) == SQLITE_ROW) {
        history_columns_read(rows, &found);
        history_join(&row.step, &found.step);
    }
    if (rows)
        store_end(rows);
    if (row.step.seconds > row.width)
        row.step.seconds = row.width;
    if (code == SQLITE_DONE && put_row(store, &row) &&
        store_run(store, SQL_HISTORY_THIN, "ii", hour, end))
        store->thin_from = end;
}

/* Makes the rows of one hour one, if there is such an hour. */
static void thin(struct sqlite_store *store, int64_t now) {
    int64_t end = now - MINUTES_KEPT;
    end -= end % HOUR_SECONDS;
    if (store->thin_from >= end)
        return;
    int64_t first = store_number(
        store, store_bind(store, SQL_HISTORY_FIRST_MINUTE, "ii", store->thin_from, end), end);
    if (first < end)
        thin_hour(store, first - first % HOUR_SECONDS);
    else
        store->thin_from = end;
}

void sqlite_keep_history(struct store *base) {
    struct sqlite_store *store = sqlite_of(base);
    int64_t now = store->wall_ms / 1000;
    if (store_state_of(store) != STORE_GOOD)
        return;
    look(store);
    if (clock_steady_ms() < store->minute.until_ms)
        return;
    save_minute(store);
    thin(store, now);
    store_run(store, SQL_HISTORY_OLD, "ii", now - HOURS_KEPT, (int64_t)REMOVE_MAX);
    store_run(store, SQL_HISTORY_AHEAD, "ii", now + AHEAD_MAX, (int64_t)REMOVE_MAX);
    store_begin_minute(store);
}

void sqlite_end_history(struct store *base) {
    struct sqlite_store *store = sqlite_of(base);
    if (store->conf->copying != COPY_NONE)
        return; /* the replica would not get this batch, and --init take this database for newer */
    if (sqlite_begin(base)) {
        look(store);
        save_minute(store);
        store_begin_minute(store);
        if (sqlite_commit(base))
            return;
    }
    sqlite_rollback(base);
}
