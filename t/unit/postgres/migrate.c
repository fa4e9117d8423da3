/* The schema and its versions: made once, by one at a time, and only by who may. */
#include "fixture.h"

#include "fcgi/postgres/pg_migrate.h"

enum { VERSIONS, STATEMENTS };

static const char *const texts[] = {
    [VERSIONS] = "SELECT count(*), coalesce(sum(version), 0) FROM hashmill.schema_version",
};
static const char *const names[] = {"versions"};
static const char *const takes[] = {""};
static const struct pg_statements statements = {texts, names, takes, STATEMENTS};

static const char *const steps[] = {
    "CREATE TABLE item (id uuid PRIMARY KEY); CREATE TABLE other (n int8);",
    "ALTER TABLE item ADD COLUMN digest bytea; INSERT INTO other (n) VALUES (1);",
    "CREATE INDEX item_digest ON item (digest);",
};
static const char *const bad_steps[] = {
    "CREATE TABLE item (id uuid PRIMARY KEY);",
    "CREATE TABLE twice (n int8); SELECT 1 / 0;",
};
static const char *const ending_steps[] = {"CREATE TABLE item (n int8); COMMIT;"};
static const struct pg_migrations all = {steps, 3};
static const struct pg_migrations first_two = {steps, 2};
static const struct pg_migrations bad = {bad_steps, 2};
static const struct pg_migrations ending = {ending_steps, 1};

static struct cluster cluster;

static struct pg_server *server_for(const char *user) {
    char uri[400];
    snprintf(uri, sizeof uri, "postgresql://%s@%s:%s/postgres", user, cluster.host, cluster.port);
    return open_server(uri, &statements);
}

/* The sum of the versions that were noted: 6 for 1, 2 and 3; -1 without a schema. */
static int64_t versions(struct pg_link *link) {
    int64_t sum = -1;
    int64_t count = 0;
    int answer = pg_add(link, VERSIONS, NULL);
    if (pg_run(link, PG_STAYS, 5000) && pg_get_int8(link, answer, 0, 0, &count))
        pg_get_int8(link, answer, 0, 1, &sum);
    return sum;
}

static void drop_schema(void) {
    alone(&cluster, "SET client_min_messages = error");
    alone(&cluster, "DROP SCHEMA IF EXISTS hashmill CASCADE");
}

static void test_one(struct pg_link *link) {
    is_int(versions(link), -1, "there is no schema");
    ok(pg_migrate(link, &first_two, 5000), "the first two steps");
    is_int(versions(link), 3, "are done and noted");
    ok(pg_migrate(link, &first_two, 5000), "once only");
    is_int(versions(link), 3, "as is seen");
    ok(pg_migrate(link, &all, 5000), "the third one later");
    is_int(versions(link), 6, "is done");
    ok(!pg_migrate(link, &first_two, 5000), "an older program does not go on");
    is_fault(&link->fault, PG_SCHEMA, "version 3, and this program knows it up to 2",
             "and says so");
    is_int(versions(link), 6, "nothing is changed");
    drop_schema();
}

/* A step that fails leaves nothing of any step, and one must not end the transaction. */
static void test_bad(struct pg_link *link) {
    ok(!pg_migrate(link, &bad, 5000), "a step that fails");
    is_fault(&link->fault, PG_BUG, "division by zero", "is told");
    is_int(versions(link), -1, "nothing is left of the others");
    ok(!pg_migrate(link, &ending, 5000), "a step with a COMMIT");
    is_fault(&link->fault, PG_BUG, "not in a transaction", "is a mistake");
    drop_schema();
}

/* The owner migrates; the role that runs has no right to. */
static void test_roles(void) {
    struct pg_server *owner_server = server_for("owner");
    struct pg_server *runner_server = server_for("runner");
    struct pg_link *owner = connect_or_end(owner_server);
    struct pg_link *runner = connect_or_end(runner_server);
    ok(!pg_migrate(runner, &all, 5000), "who may not, does not make the schema");
    is_fault(&runner->fault, PG_RIGHTS, "the schema has version 0, this program needs 3",
             "as is said");
    ok(runner->conn != NULL, "the connection stays");
    ok(pg_migrate(owner, &first_two, 5000), "its owner does");
    ok(!pg_migrate(runner, &first_two, 5000), "who may not even look at it");
    is_fault(&runner->fault, PG_RIGHTS, "permission denied for schema hashmill", "is told that");
    script(owner, "GRANT USAGE ON SCHEMA hashmill TO runner;"
                  "GRANT SELECT ON hashmill.schema_version TO runner;");
    ok(pg_migrate(runner, &first_two, 5000), "a schema that is up to date is good for who runs");
    ok(!pg_migrate(runner, &all, 5000), "one that is not");
    is_fault(&runner->fault, PG_RIGHTS, "the schema has version 2, this program needs 3", "is not");
    pg_link_close(owner);
    pg_link_close(runner);
    drop_schema();
    alone(&cluster, "CREATE SCHEMA hashmill AUTHORIZATION runner");
    alone(&cluster, "GRANT ALL ON SCHEMA hashmill TO owner");
    owner = connect_or_end(owner_server);
    ok(!pg_migrate(owner, &all, 5000), "a schema of another role is not used");
    is_fault(&owner->fault, PG_RIGHTS, "belongs to another role", "as is said");
    pg_link_close(owner);
    close_server(owner_server);
    close_server(runner_server);
    drop_schema();
}

/* Exits with 0 when it has migrated, once the pipe is closed. */
static void migrate_then_exit(int starter) {
    char nothing;
    struct pg_server *server = server_for("owner");
    struct pg_link *link = connect_or_end(server);
    bool started = read(starter, &nothing, 1) == 0;
    bool good = started && pg_migrate(link, &all, 20000);
    if (!good)
        printf("# %s\n", link->fault.message);
    _exit(good ? 0 : 1);
}

/* Two at once on an empty database. */
static bool migrate_by_two(void) {
    int starter[2];
    int bad_ends = 0;
    pid_t pids[2];
    if (pipe(starter) != 0)
        abort();
    fflush(stdout);
    for (int i = 0; i < 2; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            close(starter[1]);
            migrate_then_exit(starter[0]);
        }
    }
    close(starter[0]);
    close(starter[1]);
    for (int i = 0; i < 2; i++) {
        int status = 1;
        bad_ends += waitpid(pids[i], &status, 0) != pids[i] || status != 0;
    }
    return bad_ends == 0;
}

int main(void) {
    set_up();
    cluster = start_server("a");
    struct pg_server *server = open_server(cluster.uri, &statements);
    struct pg_link *link = connect_or_end(server);
    script(link, "CREATE ROLE owner LOGIN; CREATE ROLE runner LOGIN;"
                 "GRANT CREATE ON DATABASE postgres TO owner;");
    test_one(link);
    test_bad(link);
    test_roles();
    bool right = true;
    for (int i = 0; i < 20; i++) {
        right = migrate_by_two() && versions(link) == 6 && right;
        drop_schema();
    }
    ok(right, "two at once, twenty times: both succeed, and each step is done once");
    pg_link_close(link);
    close_server(server);
    return tear_down();
}
