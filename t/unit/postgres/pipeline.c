/* Pipelines: all or nothing, large both ways, within their time, and what is known after a failure.
 */
#include "fixture.h"

#include <poll.h>
#include <sys/wait.h>

enum {
    PUT,
    COUNT,
    BIG,
    SLEEP,
    DIVIDE,
    DEFERRED,
    LOCK_FIRST,
    LOCK_SECOND,
    MISSING,
    NO_COLUMN,
    CHANGE_ALL,
    WARN,
    SHOW,
    FORGET,
    FAIL,
    ALL,
    STATEMENTS
};

static const char *const texts[] = {
    [PUT] = "INSERT INTO public.t (n, bytes) VALUES ($1, $2)",
    [COUNT] = "SELECT count(*), coalesce(sum(length(bytes)), 0) FROM public.t",
    [BIG] = "SELECT $1, repeat('x', $2)",
    [SLEEP] = "SELECT pg_sleep(60)",
    [DIVIDE] = "SELECT 1 / $1",
    [DEFERRED] = "INSERT INTO public.later (n) VALUES ($1)",
    [LOCK_FIRST] = "UPDATE public.t SET n = n WHERE n = $1",
    [LOCK_SECOND] = "UPDATE public.t SET n = n WHERE n = $1",
    [MISSING] = "SELECT 1 FROM public.no_such_table",
    [NO_COLUMN] = "SELECT no_such_column FROM public.t",
    [CHANGE_ALL] = "DELETE FROM public.t",
    [WARN] = "DO $$ BEGIN RAISE WARNING 'take heed'; END $$",
    [SHOW] = "SELECT current_setting($1)",
    [FORGET] = "DEALLOCATE ALL",
    [FAIL] = "SELECT public.fail($1)",
    [ALL] = "SELECT * FROM public.later WHERE n = $1",
};
static const char *const names[] = {"put",     "count",     "big",        "sleep",
                                    "divide",  "deferred",  "lock_first", "lock_second",
                                    "missing", "no_column", "change_all", "warn",
                                    "show",    "forget",    "fail",       "all"};
static const char *const takes[] = {
    [PUT] = "int8 bytea", [COUNT] = "",        [BIG] = "bytea int4",  [SLEEP] = "",
    [DIVIDE] = "int4",    [DEFERRED] = "int8", [LOCK_FIRST] = "int8", [LOCK_SECOND] = "int8",
    [MISSING] = "",       [NO_COLUMN] = "",    [CHANGE_ALL] = "",     [WARN] = "",
    [SHOW] = "text",      [FORGET] = "",       [FAIL] = "text",       [ALL] = "int8",
};
static const struct pg_statements statements = {texts, names, takes, STATEMENTS};

static struct cluster cluster;
static struct pg_server *server;
static struct pg_params params;

static int add_put(struct pg_link *link, int64_t n, const char *bytes, size_t size) {
    pg_params_clear(&params);
    pg_put_int8(&params, n);
    pg_put_bytea(&params, bytes, size);
    return pg_add(link, PUT, &params);
}

static int add_number(struct pg_link *link, int sql, int64_t n) {
    pg_params_clear(&params);
    if (sql == DIVIDE)
        pg_put_int4(&params, (int32_t)n);
    else
        pg_put_int8(&params, n);
    return pg_add(link, sql, &params);
}

/* How many rows there are, seen by another session. */
static int64_t rows_seen(void) {
    struct pg_link *link = connect_or_end(server);
    int64_t count = -1;
    int answer = pg_add(link, COUNT, NULL);
    if (!pg_run(link, PG_STAYS, 5000) || !pg_get_int8(link, answer, 0, 0, &count))
        printf("# %s\n", link->fault.message);
    pg_link_close(link);
    return count;
}

static void forget_rows(void) {
    alone(&cluster, "TRUNCATE public.t, public.later");
}

static void test_transactions(struct pg_link *link) {
    add_put(link, 1, "a", 1);
    add_put(link, 2, "b", 1);
    ok(pg_run(link, PG_COMMITS, 5000), "two statements are one transaction");
    is_int(rows_seen(), 2, "that is committed");
    add_put(link, 3, "c", 1);
    add_number(link, DIVIDE, 0);
    int after = add_put(link, 4, "d", 1);
    ok(!pg_run(link, PG_COMMITS, 5000), "with an error in it");
    is_fault(&link->fault, PG_BUG, "divide: division by zero", "that is told with its statement");
    is_text(link->fault.state, "22012", "and its SQLSTATE");
    is_int(pg_rows(link, after), 0, "what is behind it has no answer");
    is_int(rows_seen(), 2, "nothing took effect");
    ok(link->conn != NULL, "the connection is as good as before");
    pg_begin(link);
    add_put(link, 5, "e", 1);
    ok(pg_run(link, PG_STAYS, 5000), "a transaction that stays open");
    is_int(rows_seen(), 2, "is not seen yet");
    add_put(link, 6, "f", 1);
    ok(pg_run(link, PG_COMMITS, 5000), "and is committed by the next pipeline");
    is_int(rows_seen(), 4, "with both");
    pg_begin(link);
    add_put(link, 7, "g", 1);
    ok(pg_run(link, PG_COMMITS, 5000), "one that begins and ends in a pipeline");
    pg_begin(link);
    add_put(link, 8, "h", 1);
    ok(pg_run(link, PG_STAYS, 5000), "one that is given up");
    pg_rollback(link, 5000);
    is_int(rows_seen(), 5, "had no effect");
    pg_begin(link);
    add_put(link, 9, "i", 1);
    ok(pg_run(link, PG_STAYS, 5000), "one with an error later on");
    add_number(link, DIVIDE, 0);
    ok(!pg_run(link, PG_COMMITS, 5000), "fails");
    add_put(link, 10, "j", 1);
    ok(pg_run(link, PG_COMMITS, 5000), "nothing of it is left open");
    is_int(rows_seen(), 6, "and nothing of it took effect");
    forget_rows();
}

/* Errors that come only with the commit. */
static void test_late_error(struct pg_link *link) {
    add_number(link, DEFERRED, 1);
    add_number(link, DEFERRED, 1);
    ok(!pg_run(link, PG_COMMITS, 5000), "a constraint that is checked at the end");
    is_fault(&link->fault, PG_BUG, "duplicate key", "fails the commit");
    pg_begin(link);
    add_number(link, DEFERRED, 2);
    add_number(link, DEFERRED, 2);
    ok(!pg_run(link, PG_COMMITS, 5000), "and that of a transaction that was begun");
    is_fault(&link->fault, PG_BUG, "commit in", "which names the commit");
    add_number(link, DEFERRED, 3);
    ok(pg_run(link, PG_COMMITS, 5000), "the next one is not concerned");
}

/* 2,000 statements with much in both directions. */
static void test_large(struct pg_link *link) {
    enum { COUNT_LARGE = 2000, SIZE = 6000 };
    static char bytes[SIZE];
    bool right = true;
    memset(bytes, 'y', sizeof bytes);
    for (int i = 0; i < COUNT_LARGE; i++) {
        pg_params_clear(&params);
        bytes[0] = (char)i;
        pg_put_bytea(&params, bytes, SIZE);
        pg_put_int4(&params, SIZE + i);
        pg_add(link, BIG, &params);
    }
    if (!ok(pg_run(link, PG_STAYS, 60000), "2,000 statements, 12 MB there and 26 MB back"))
        printf("# %s\n", link->fault.message);
    for (int i = 0; i < COUNT_LARGE && right; i++) {
        const uint8_t *got = NULL;
        const char *text = NULL;
        int size = 0;
        right = pg_get_bytea(link, i, 0, 0, &got, &size) && size == SIZE && got[0] == (uint8_t)i &&
                pg_get_text(link, i, 0, 1, &text) && strlen(text) == (size_t)SIZE + (size_t)i;
    }
    ok(right, "all of them, in order");
    for (int i = 0; i < PG_ANSWERS_MAX; i++)
        add_put(link, i, "", 0);
    ok(pg_run(link, PG_COMMITS, 60000), "as many statements as there may be");
    is_int(rows_seen(), PG_ANSWERS_MAX, "are committed");
    forget_rows();
}

static void test_prepared(struct pg_link *link) {
    add_number(link, DIVIDE, 0);
    pg_add(link, MISSING, NULL);
    pg_add(link, CHANGE_ALL, NULL);
    ok(!pg_run(link, PG_STAYS, 5000), "statements behind an error are not prepared");
    pg_add(link, CHANGE_ALL, NULL);
    ok(pg_run(link, PG_COMMITS, 5000), "and are, when they are used again");
    pg_add(link, MISSING, NULL);
    ok(!pg_run(link, PG_COMMITS, 5000), "a table that is not there");
    is_fault(&link->fault, PG_SCHEMA, "missing: relation \"public.no_such_table\"",
             "is the schema");
    pg_add(link, NO_COLUMN, NULL);
    ok(!pg_run(link, PG_COMMITS, 5000) && link->fault.kind == PG_SCHEMA, "so is a column");
    add_number(link, ALL, 0);
    ok(pg_run(link, PG_STAYS, 5000), "a statement whose table then changes");
    alone(&cluster, "ALTER TABLE public.later ADD COLUMN more int8");
    add_number(link, ALL, 0);
    ok(!pg_run(link, PG_STAYS, 5000) && link->fault.kind == PG_SCHEMA, "is of another schema");
    pg_add(link, FORGET, NULL);
    ok(pg_run(link, PG_COMMITS, 5000), "statements are lost, as behind a pooler");
    pg_add(link, CHANGE_ALL, NULL);
    ok(!pg_run(link, PG_COMMITS, 5000), "then they cannot be used");
    is_int(link->fault.kind, PG_POOLED, "which tells of the pooler");
}

static void test_warning(struct pg_link *link) {
    pg_add(link, WARN, NULL);
    ok(pg_run(link, PG_STAYS, 5000), "a warning while nothing is committed");
    add_put(link, 1, "", 0);
    ok(pg_run(link, PG_COMMITS, 5000), "is forgotten by the next commit");
    add_put(link, 2, "", 0);
    pg_add(link, WARN, NULL);
    ok(!pg_run(link, PG_COMMITS, 5000), "with a commit it fails that");
    is_fault(&link->fault, PG_UNKNOWN, "take heed", "as unknown");
    is_int(rows_seen(), 2, "though here it was done");
    forget_rows();
}

/* The server's errors by their SQLSTATE, as they come. */
static void test_kinds(struct pg_link *link) {
    static const struct {
        const char *state;
        enum pg_kind kind;
    } states[] = {{"53100", PG_FULL},    {"53300", PG_CROWDED},   {"40001", PG_AGAIN},
                  {"58030", PG_FAILING}, {"25006", PG_READ_ONLY}, {"42501", PG_RIGHTS}};
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        pg_params_clear(&params);
        pg_put_text(&params, states[i].state);
        pg_add(link, FAIL, &params);
        ok(!pg_run(link, PG_COMMITS, 5000), "SQLSTATE %s", states[i].state);
        is_fault(&link->fault, states[i].kind, "fail: the reason of it", "is of its kind");
        ok(!strstr(link->fault.message, "s3cret"), "without the details");
    }
}

/* A commit whose wait for a standby is cancelled from outside is reported as done by the server. */
static void test_cancelled_wait(struct pg_link *link) {
    char sql[400];
    snprintf(sql, sizeof sql,
             "DO $$ BEGIN FOR i IN 1..3000 LOOP "
             "PERFORM pg_cancel_backend(pid) FROM pg_stat_activity WHERE pid = %d AND "
             "wait_event = 'SyncRep'; IF FOUND THEN RETURN; END IF; PERFORM pg_sleep(0.01); "
             "PERFORM pg_stat_clear_snapshot(); END LOOP; END $$",
             PQbackendPID(link->conn));
    alone(&cluster, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    alone(&cluster, "SELECT pg_reload_conf()");
    pid_t pid = fork();
    if (pid == 0) {
        alone(&cluster, sql);
        _exit(0);
    }
    add_put(link, 1, "", 0);
    ok(!pg_run(link, PG_COMMITS, 60000), "a wait for a standby is cancelled");
    is_fault(&link->fault, PG_UNKNOWN, "canceling wait for synchronous replication",
             "which is unknown");
    waitpid(pid, NULL, 0);
    alone(&cluster, "ALTER SYSTEM RESET synchronous_standby_names");
    alone(&cluster, "SELECT pg_reload_conf()");
    forget_rows();
}

static void test_locks(struct pg_link *one) {
    struct pg_link *two = connect_or_end(server);
    add_put(one, 1, "", 0);
    add_put(one, 2, "", 0);
    ok(pg_run(one, PG_COMMITS, 5000), "two rows");
    pg_begin(one);
    add_number(one, LOCK_FIRST, 1);
    ok(pg_run(one, PG_STAYS, 5000), "one is locked");
    add_number(two, LOCK_FIRST, 1);
    ok(!pg_run(two, PG_COMMITS, 20000), "and not had by another");
    is_fault(&two->fault, PG_AGAIN, "lock timeout", "which may try again");
    is_text(two->fault.state, "55P03", "by its SQLSTATE");
    pg_begin(two);
    add_number(two, LOCK_FIRST, 2);
    ok(pg_run(two, PG_STAYS, 5000), "the other locks the second row");
    add_number(two, LOCK_SECOND, 1);
    PQflush(two->conn); /* it waits now; the first one closes the circle */
    add_number(one, LOCK_SECOND, 2);
    bool first = pg_run(one, PG_COMMITS, 20000);
    bool second = pg_run(two, PG_COMMITS, 20000);
    ok(!first || !second, "a deadlock, or a wait that is too long, ends one of them");
    is_int((first ? two : one)->fault.kind, PG_AGAIN, "who may try again");
    pg_link_close(two);
    forget_rows();
}

/* Lets a backend that stands still go on, until it has ended. How many rows there are then. */
static int64_t rows_after(pid_t backend) {
    kill(backend, SIGCONT);
    while (kill(backend, 0) == 0)
        rows_seen(); /* a pause, which the server has work in */
    int64_t rows = rows_seen();
    forget_rows();
    return rows;
}

/* A backend that is killed in the midst, or stands still. */
static void test_dead_backend(void) {
    struct pg_link *link = connect_or_end(server);
    pid_t backend = PQbackendPID(link->conn);
    kill(backend, SIGSTOP);
    add_put(link, 1, "", 0);
    ok(!pg_run(link, PG_COMMITS, 300), "a backend that stands still");
    is_fault(&link->fault, PG_UNKNOWN, "no answer within 300 ms", "leaves it unknown");
    ok(!link->conn, "the connection is closed");
    is_int(add_put(link, 1, "", 0), -1, "nothing can be added then");
    ok(!pg_run(link, PG_COMMITS, 300) && link->fault.kind == PG_DOWN, "nor run");
    ok(!pg_script(link, "SELECT 1", 300) && link->fault.kind == PG_DOWN, "nor a script");
    pg_rollback(link, 300);
    pg_link_close(link);
    is_int(rows_after(backend), 1, "as the backend goes on, it commits");

    static char bytes[1 << 20];
    link = connect_or_end(server);
    backend = PQbackendPID(link->conn);
    kill(backend, SIGSTOP);
    for (int i = 0; i < 20; i++)
        add_put(link, i, bytes, sizeof bytes);
    ok(!pg_run(link, PG_COMMITS, 300), "one that takes not even all of it");
    is_fault(&link->fault, PG_DOWN, "no answer within 300 ms", "has certainly done nothing");
    pg_link_close(link);
    is_int(rows_after(backend), 0, "and does not, as it goes on");

    link = connect_or_end(server);
    backend = PQbackendPID(link->conn);
    pid_t killer = fork();
    if (killer == 0) { /* once it is at work */
        char sql[300];
        snprintf(sql, sizeof sql,
                 "DO $$ BEGIN FOR i IN 1..3000 LOOP PERFORM 1 FROM pg_stat_activity WHERE pid = %d "
                 "AND wait_event = 'PgSleep'; IF FOUND THEN RETURN; END IF; PERFORM "
                 "pg_sleep(0.01); PERFORM pg_stat_clear_snapshot(); END LOOP; END $$",
                 (int)backend);
        alone(&cluster, sql);
        kill(backend, SIGKILL);
        _exit(0);
    }
    add_put(link, 1, "", 0);
    pg_add(link, SLEEP, NULL);
    ok(!pg_run(link, PG_COMMITS, 60000), "one that is killed");
    is_fault(&link->fault, PG_UNKNOWN, "the connection broke", "leaves it unknown");
    ok(!link->conn, "and closes the connection");
    pg_link_close(link);
    waitpid(killer, NULL, 0);
    while (!(link = pg_server_connect(server))) /* the server recovers */
        poll(NULL, 0, clock_timeout_ms(server->retry.not_before_ms));
    pg_link_close(link);
    is_int(rows_seen(), 0, "here nothing was done");
}

static void test_terminated(struct pg_link *link) {
    char sql[100];
    snprintf(sql, sizeof sql, "SELECT pg_terminate_backend(%d, 10000)", PQbackendPID(link->conn));
    alone(&cluster, sql);
    pg_add(link, COUNT, NULL);
    ok(!pg_run(link, PG_STAYS, 5000), "a session that the server has ended");
    is_int(link->fault.kind, PG_DOWN, "is down");
    ok(!link->conn, "and closed");
}

int main(void) {
    set_up();
    cluster = start_server("a deadlock_timeout=100ms");
    server = open_server(cluster.uri, &statements);
    struct pg_link *link = connect_or_end(server);
    script(link, "CREATE TABLE public.t (n int8, bytes bytea);"
                 "CREATE TABLE public.later (n int8 UNIQUE DEFERRABLE INITIALLY DEFERRED);"
                 "CREATE FUNCTION public.fail(text) RETURNS int8 LANGUAGE plpgsql AS $$BEGIN RAISE "
                 "EXCEPTION USING ERRCODE = $1, MESSAGE = 'the reason' || chr(10) || 'of it', "
                 "DETAIL = 's3cret'; END$$");
    test_transactions(link);
    test_late_error(link);
    test_large(link);
    test_prepared(link);
    pg_link_close(link);
    link = connect_or_end(server);
    test_kinds(link);
    test_warning(link);
    test_cancelled_wait(link);
    test_locks(link);
    pg_link_close(link);
    test_dead_backend();
    link = connect_or_end(server);
    test_terminated(link);
    pg_link_close(link);
    pg_params_free(&params);
    close_server(server);
    return tear_down();
}
