/* The history: what rows there are of minutes and hours, under clocks that tests move. */
#include "fixture.h"

#include "fcgi/base/refusals.h"
#include "fcgi/queue/reader.h"

static const int64_t minute_ms = 60000;
static const int64_t day_s = 24 * 3600;
static int64_t first; /* Unix time in seconds: a full hour, two days ahead of the real clock's */

/* Moves both clocks to a wall time. What a test does takes less than a second. */
static void at_wall(int64_t wall_ms) {
    int64_t step = wall_ms - clock_wall_ms();
    clock_offsets[0] += step;
    clock_offsets[1] += step > 0 ? step + 2 : 0; /* as both are not read at once */
}

/* Moves the wall clock alone. */
static void set_wall(int64_t wall_ms) {
    clock_offsets[0] += wall_ms - clock_wall_ms();
}

/* One batch with nothing but the history in it. Whether it changed something. */
static bool batch_of_history(struct store *store) {
    int64_t before = store_last_batch(store);
    store_begin(store);
    store_keep_history(store);
    store_commit(store);
    return store_last_batch(store) > before;
}

static void enqueue(struct store *store, int items, int64_t iterations) {
    store_begin(store);
    store_keep_history(store);
    for (int i = 0; i < items; i++) {
        struct queue_enqueue item = new_item(iterations);
        struct uuid id;
        store_enqueue(store, &item, &id);
    }
    store_commit(store);
}

/* Leases and finishes items, and pulls them. */
static void work(struct store *store, int items) {
    static struct queue_grant grant;
    static struct queue_report report;
    static struct queue_verdict verdict;
    static struct queue_batch batch;
    struct queue_lease request = lease_of(items);
    struct queue_pull pull = {.top = items};
    store_begin(store);
    store_keep_history(store);
    store_lease(store, &request, &grant);
    report.worker = request.worker;
    for (report.count = 0; report.count < grant.count; report.count++)
        report.items[report.count] = (struct queue_report_item){.id = grant.items[report.count].id,
                                                                .lease = grant.returnable.lease};
    store_report(store, &report, &verdict);
    store_pull(store, &pull, &batch);
    store_commit(store);
}

/* Whether a row is "width seconds enqueued done pulled iterations refused waiting workers
 * machines";
 * "": there is none. */
static void row_is(struct store *store, int64_t at, const char *wanted, const char *name) {
    static const char sql[] = "SELECT width || ' ' || seconds || ' ' || enqueued || ' ' || done"
                              " || ' ' || pulled || ' ' || iterations || ' ' || refused || ' '"
                              " || waiting || ' ' || workers || ' ' || machines"
                              " FROM history WHERE at = ?1";
    char text[200] = "";
    sqlite3_stmt *row;
    if (sqlite3_prepare_v2(sqlite_of(store)->database, sql, -1, &row, NULL) != SQLITE_OK)
        abort();
    sqlite3_bind_int64(row, 1, at);
    if (sqlite3_step(row) == SQLITE_ROW)
        snprintf(text, sizeof text, "%s", (const char *)sqlite3_column_text(row, 0));
    sqlite3_finalize(row);
    if (!ok(strcmp(text, wanted) == 0, "%s", name))
        printf("# it is \"%s\"\n", text);
}

static int64_t rows(struct store *store) {
    return number(store, "SELECT count(*) FROM history");
}

static int64_t number_at(struct store *store, const char *column, int64_t at) {
    char sql[100];
    snprintf(sql, sizeof sql, "SELECT %s FROM history WHERE at = %lld", column, (long long)at);
    return number(store, sql);
}

/* Puts the rows of minutes, each with one item done, into the table. */
static void fill(struct store *store, int64_t from, int64_t until, int64_t width) {
    char sql[400];
    snprintf(
        sql, sizeof sql,
        "WITH RECURSIVE m(at) AS (SELECT %lld UNION ALL SELECT at + %lld FROM m WHERE at + %lld"
        " < %lld) INSERT INTO history SELECT at, %lld, %lld, 2, 1, 0, 10, 0, at / 60 %% 60, at / "
        "60 %%"
        " 100, 1, 0 FROM m",
        (long long)from, (long long)width, (long long)width, (long long)until, (long long)width,
        (long long)width);
    if (sqlite3_exec(sqlite_of(store)->database, sql, NULL, NULL, NULL) != SQLITE_OK)
        abort();
}

static void empty(struct store *store) {
    sqlite3_exec(sqlite_of(store)->database, "DELETE FROM history", NULL, NULL, NULL);
    sqlite_of(store)->thin_from = 0;
    store_begin_minute(sqlite_of(store));
}

static void minutes(struct store *store) {
    ok(!batch_of_history(store), "before the minute is over nothing is saved");
    enqueue(store, 5, 11);
    refusals_note("192.0.2.1", "a test");
    at_wall(first * 1000 + 40000);
    int64_t until = store_next_history(store) - clock_steady_ms();
    ok(until > 19000 && until <= 20000, "it is over when the wall clock's is");
    work(store, 3);
    at_wall(first * 1000 + minute_ms);
    ok(batch_of_history(store), "then a batch saves it");
    row_is(store, first, "60 60 5 3 3 30 1 2 1 0", "what was done in it");
    int64_t wait = number_at(store, "oldest_wait", first);
    ok(wait >= 59000 && wait < 61000, "the longest wait is that of what waits at its end");
    ok(!batch_of_history(store), "which is all for now");
    enqueue(store, 4, 11);
    at_wall(first * 1000 + 2 * minute_ms + 200);
    enqueue(store, 100, 11);
    row_is(store, first + 60, "60 60 4 0 0 0 0 6 0 0",
           "the batch that saves a minute counts for the next; a worker that has not called for a"
           " minute counts no more");
    at_wall(first * 1000 + 3 * minute_ms);
    batch_of_history(store);
    row_is(store, first + 120, "60 60 100 0 0 0 0 106 0 0", "the next one has it");
    work(store, 106);
    at_wall(first * 1000 + 4 * minute_ms);
    batch_of_history(store);
    wait = number_at(store, "oldest_wait", first + 180);
    ok(wait >= 179000, "what a batch hands out has waited until then: %d ms", (int)wait);
    is_int(number_at(store, "waiting", first + 180), 0, "nothing waits at the end");
    at_wall(first * 1000 + 5 * minute_ms);
    batch_of_history(store);
    row_is(store, first + 240, "60 60 0 0 0 0 0 0 0 0", "a minute of rest has a row");
    is_int(rows(store), 5, "there is one for each");
    at_wall(first * 1000 + 65 * minute_ms);
    batch_of_history(store);
    row_is(store, first + 300, "60 60 0 0 0 0 0 0 0 0", "after an hour of sleep");
    is_int(rows(store), 6, "there is a gap");
}

/* Whether a store that was opened some seconds before the end of a minute counts these, but for
 * what the opening took. Returns how many that are. */
static int counted_from(const struct store *store, int seconds) {
    int counted =
        (int)((sqlite_of(store)->minute.until_ms - sqlite_of(store)->minute.since_ms + 500) / 1000);
    ok(counted > 0 && counted <= seconds, "a start counts what is left of its minute");
    return counted;
}

static struct store *restarts(struct store *store) {
    char wanted[60];
    int64_t at = first + day_s / 4;
    empty(store);
    at_wall(at * 1000 + 10000);
    store_begin_minute(sqlite_of(store));
    enqueue(store, 2, 9);
    at_wall(at * 1000 + 25000);
    store_end_history(store);
    row_is(store, at, "60 15 2 0 0 0 0 2 0 0", "a stop saves what was counted");
    store_close(store);
    at_wall(at * 1000 + 30000);
    store = open_store();
    snprintf(wanted, sizeof wanted, "60 %d 5 0 0 0 0 5 0 0", 15 + counted_from(store, 30));
    enqueue(store, 3, 9);
    at_wall(at * 1000 + minute_ms);
    batch_of_history(store);
    row_is(store, at, wanted, "a start in the same minute adds to it");
    ok(number_at(store, "oldest_wait", at) >= 30000, "the longest wait stays");
    enqueue(store, 7, 9);
    store_close(store); /* as a killed one: nobody has said that it stops */
    at_wall(at * 1000 + minute_ms + 30000);
    store = open_store();
    snprintf(wanted, sizeof wanted, "60 %d 0 0 0 0 0 12 0 0", counted_from(store, 30));
    at_wall(at * 1000 + 2 * minute_ms);
    batch_of_history(store);
    row_is(store, at + 60, wanted, "a killed writer loses its part");
    store_begin_minute(sqlite_of(store));
    int64_t before = store_last_batch(store);
    store_end_history(store);
    is_int(store_last_batch(store), before, "a stop without anything to save makes no batch");
    enqueue(store, 1, 9);
    store_end_history(store);
    row_is(store, at + 120, "60 1 1 0 0 0 0 13 0 0", "a short part is a second");
    return store;
}

static void rolled_back(struct store *store) {
    int64_t at = first + day_s / 2;
    empty(store);
    at_wall(at * 1000);
    store_begin_minute(sqlite_of(store));
    enqueue(store, 1, 9);
    at_wall(at * 1000 + minute_ms);
    store_begin(store);
    store_keep_history(store);
    store_rollback(store);
    is_int(rows(store), 0, "a minute whose batch is rolled back is not saved");
    ok(store_next_history(store) > clock_steady_ms() + 59000, "nor tried again without end");
    enqueue(store, 2, 9);
    at_wall(at * 1000 + 2 * minute_ms);
    batch_of_history(store);
    is_int(number_at(store, "enqueued", at + 60), 2, "the next one has its own only");
    enqueue(store, 1, 9);
    at_wall(at * 1000 + 3 * minute_ms);
    sqlite_of(store)->reserve.low = true;
    sqlite_of(store)->reserve.retry_ms = INT64_MAX;
    ok(!batch_of_history(store), "without room on the disk nothing is written");
    sqlite_of(store)->reserve.low = false;
    is_int(rows(store), 1, "which leaves a gap");
}

/* Ends minutes, one after the other. */
static void tick(struct store *store, int count) {
    for (int i = 0; i < count; i++) {
        int64_t now = clock_wall_ms();
        at_wall(now - now % minute_ms + minute_ms);
        batch_of_history(store);
    }
}

static void thinning(struct store *store) {
    int64_t now = first + 10 * day_s;
    int64_t hour = now - 3 * day_s - 3600;
    char minutes[100];
    empty(store);
    at_wall(now * 1000);
    fill(store, hour + 1800, now, 60);
    snprintf(minutes, sizeof minutes, "SELECT count(*) FROM history WHERE width = 60 AND at < %lld",
             (long long)(now - 2 * day_s));
    store_begin_minute(sqlite_of(store));
    is_int(number(store, minutes), 24 * 60 + 30, "there are minutes older than two days");
    int64_t last = number_at(store, "waiting", hour + 3540);
    int64_t wait = number(store, "SELECT max(oldest_wait) FROM (SELECT oldest_wait FROM history"
                                 " ORDER BY at LIMIT 30)");
    tick(store, 1);
    is_int(number(store, minutes), 24 * 60, "with a new row those of an hour go");
    char wanted[80];
    snprintf(wanted, sizeof wanted, "3600 1800 60 30 0 300 0 %d 1 0", (int)last);
    row_is(store, hour, wanted, "and are one, with their sums and what was last");
    is_int(number_at(store, "oldest_wait", hour), wait, "and their longest wait");
    tick(store, 1);
    is_int(number_at(store, "done", hour + 3600), 60, "the next hour follows");
    tick(store, 30);
    is_int(number(store, minutes), 0, "until all are hours");
    is_int(number(store, "SELECT count(*) FROM history WHERE width = 3600"), 25, "of these days");
    is_int(number(store, "SELECT sum(done) FROM history"), 3 * 24 * 60 + 30, "nothing is lost");
    is_int(rows(store), 25 + 2 * 24 * 60 + 32, "younger minutes stay");
    tick(store, 28);
    is_int(number(store, "SELECT count(*) FROM history WHERE width = 3600"), 26,
           "an hour later there is one hour more");
}

/* Before 13 months, and behind a day ahead. */
static void old_ones_leave(struct store *store) {
    int64_t now = first + 20 * day_s;
    int64_t end = now - 396 * day_s;
    char old[80];
    empty(store);
    at_wall(now * 1000);
    fill(store, end - 10 * 3600, end + 5 * 3600, 3600);
    fill(store, now + 12 * 3600, now + 12 * 3600 + 120, 60);
    fill(store, now + 2 * day_s, now + 2 * day_s + 300, 60);
    snprintf(old, sizeof old, "SELECT count(*) FROM history WHERE at < %lld", (long long)end);
    store_begin_minute(sqlite_of(store));
    tick(store, 1);
    is_int(number(store, old), 6, "some rows of 13 months ago leave");
    is_int(number(store, "SELECT min(at) FROM history"), end - 6 * 3600, "the oldest first");
    tick(store, 4);
    is_int(number(store, old), 0, "then all");
    is_int(number(store, "SELECT count(*) FROM history WHERE width = 3600"), 4,
           "and no other, but for the one that became as old meanwhile");
    is_int(number(store, "SELECT max(at) FROM history"), now + 12 * 3600 + 60,
           "rows of more than a day ahead leave, too");
}

static void clocks_leap(struct store *store) {
    int64_t at = first + 30 * day_s;
    empty(store);
    at_wall(at * 1000);
    store_begin_minute(sqlite_of(store));
    enqueue(store, 5, 9);
    set_wall((at + 5 * 3600) * 1000 + 30000);
    clock_offsets[1] += minute_ms;
    batch_of_history(store);
    is_int(number_at(store, "enqueued", at), 5, "a minute is named by when it began");
    is_int(number_at(store, "seconds", at), 60, "and is as long as it was");
    enqueue(store, 6, 9);
    clock_offsets[1] += 31000;
    set_wall(at * 1000);
    batch_of_history(store);
    is_int(number_at(store, "seconds", at + 5 * 3600), 30, "what follows a leap is a part");
    enqueue(store, 7, 9);
    tick(store, 1);
    is_int(number_at(store, "enqueued", at), 5, "a minute that comes again is not counted again");
    set_wall((at - 3600) * 1000);
    store_begin_minute(sqlite_of(store));
    enqueue(store, 3, 9);
    tick(store, 1);
    is_int(number_at(store, "enqueued", at - 3600), 3, "where there is no row there will be one");
    is_int(number(store, "SELECT count(*) FROM history WHERE seconds NOT BETWEEN 1 AND width"), 0,
           "none is longer than it can be");
}

/* An hour that is one row already. */
static void into_an_hour(struct store *store) {
    int64_t hour = first + 40 * day_s;
    empty(store);
    at_wall(hour * 1000 + 600000);
    fill(store, hour, hour + 3600, 3600);
    store_begin_minute(sqlite_of(store));
    enqueue(store, 3, 9);
    tick(store, 1);
    is_int(rows(store), 1, "a minute of an hour that has its row gets none");
    is_int(number(store, "SELECT enqueued FROM history"), 2, "a whole hour stays as it is");
    sqlite3_exec(sqlite_of(store)->database, "UPDATE history SET seconds = 3000", NULL, NULL, NULL);
    enqueue(store, 3, 9);
    tick(store, 1);
    is_int(number(store, "SELECT enqueued FROM history"), 5, "one with gaps is added to");
    is_int(number(store, "SELECT seconds FROM history"), 3060, "with the time");
}

/* Rows that no program makes. */
static void senseless_rows(struct store *store) {
    int64_t hour = first + 50 * day_s;
    empty(store);
    at_wall((hour + 3 * day_s) * 1000);
    fill(store, hour, hour + 3600, 60);
    sqlite3_exec(sqlite_of(store)->database,
                 "UPDATE history SET iterations = 9223372036854775807, done = -5,"
                 " oldest_wait = -9223372036854775807 - 1, seconds = 9223372036854775807",
                 NULL, NULL, NULL);
    store_begin_minute(sqlite_of(store));
    enqueue(store, 1, 9);
    tick(store, 1);
    row_is(store, hour, "3600 3600 120 0 0 9007199254740991 0 59 1 0", "sums stay in their range");
    is_int(number(store, "SELECT count(*) FROM history"), 2, "and the history goes on");
}

/* However often the clock leaps. */
static void bounded(struct store *store) {
    int64_t now = first + 60 * day_s;
    int64_t most = 0;
    empty(store);
    sqlite3_exec(sqlite_of(store)->database, "PRAGMA synchronous = OFF", NULL, NULL, NULL);
    at_wall(now * 1000);
    fill(store, now - 396 * day_s, now - 2 * day_s, 3600);
    fill(store, now - 2 * day_s, now, 60);
    store_begin_minute(sqlite_of(store));
    tick(store, 120);
    int64_t full = rows(store);
    ok(full <= 2880 + 60 + 9504, "a full table has %d rows", (int)full);
    srandom(1);
    for (int i = 0; i < 1000; i++) {
        if (random() % 4 == 0)
            set_wall((now + (random() % 1000 - 500) * day_s) * 1000);
        clock_offsets[1] += minute_ms;
        batch_of_history(store);
        most = rows(store) > most ? rows(store) : most;
    }
    ok(most <= full + 60, "a clock that leaps makes no more: %d", (int)most);
    is_int(number(store, "SELECT count(*) FROM history WHERE at < 0 OR enqueued < 0 OR seconds NOT"
                         " BETWEEN 1 AND width"),
           0, "none is senseless");
}

static void is_read(struct store *store) {
    static struct queue_history history;
    int64_t now = first + 900 * day_s;
    struct reader *reader = reader_new(&conf);
    empty(store);
    fill(store, now - 7200, now - 3600, 3600);
    fill(store, now - 3600, now - 1800, 60);
    fill(store, now - 600, now + 60, 60);
    history = (struct queue_history){.from = now - 3600, .step_seconds = 60, .count = 60};
    is_int(reader_history(reader, &history), QUEUE_OK, "a process reads minutes");
    is_int(history.steps[0].seconds + history.steps[29].seconds, 120, "what is there");
    is_int(history.steps[30].seconds + history.steps[49].seconds, 0, "what is not");
    is_int(history.steps[50].work.enqueued + history.steps[59].work.enqueued, 4, "up to the end");
    history = (struct queue_history){.from = now - 3 * 3600, .step_seconds = 3600, .count = 3};
    is_int(reader_history(reader, &history), QUEUE_OK, "hours");
    is_int(history.steps[0].seconds, 0, "without a row");
    is_int(history.steps[1].seconds, 3600, "with one");
    is_int(history.steps[2].seconds, 40 * 60, "with those of some minutes");
    is_int(history.steps[2].work.iterations, 40 * 10, "and it has their sums");
    history = (struct queue_history){.from = now - 7200, .step_seconds = 600, .count = 12};
    is_int(reader_history(reader, &history), QUEUE_OK, "ten minutes");
    is_int(history.steps[0].seconds, 0, "an hour is none of them");
    is_int(history.steps[6].seconds, 600, "minutes are");
    reader_free(reader);
}

/* What a look at 30 days costs at its most. */
static void costs(struct store *store) {
    static struct queue_history history;
    int64_t now = first + 60 * day_s;
    struct reader *reader = reader_new(&conf);
    empty(store);
    fill(store, now - 396 * day_s, now - 2 * day_s, 3600);
    fill(store, now - 2 * day_s, now, 60);
    history = (struct queue_history){.from = now - 720 * 3600, .step_seconds = 3600, .count = 720};
    reader_history(reader, &history);
    int64_t begun = clock_steady_ms();
    for (int i = 0; i < 20; i++)
        reader_history(reader, &history);
    printf("# 30 days of a full table: %.2f ms\n", (double)(clock_steady_ms() - begun) / 20);
    int64_t known = 0;
    for (int i = 0; i < history.count; i++)
        known += history.steps[i].seconds == 3600;
    is_int(known, 720, "30 days are read whole");
    reader_free(reader);
}

int main(void) {
    set_up();
    refusals_open();
    log_set_level(LOG_LEVEL_ERROR);
    first = (clock_wall_ms() / 1000 / 3600 + 48) * 3600;
    at_wall(first * 1000);
    struct store *store = open_store();
    at_wall(first * 1000); /* however long that took */
    store_begin_minute(sqlite_of(store));
    minutes(store);
    store = restarts(store);
    rolled_back(store);
    thinning(store);
    old_ones_leave(store);
    clocks_leap(store);
    into_an_hour(store);
    senseless_rows(store);
    bounded(store);
    is_read(store);
    costs(store);
    store_close(store);
    return done_testing();
}
