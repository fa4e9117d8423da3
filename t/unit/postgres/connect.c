/* Which servers are used, which are refused and in which words; the session on one. */
#include "fixture.h"

#include <arpa/inet.h>
#include <sys/socket.h>

enum { WRITE, SETTING, STATEMENTS };

static const char *const texts[] = {
    [WRITE] = "CREATE TABLE public.written (n int8)",
    [SETTING] = "SELECT current_setting($1)",
};
static const char *const names[] = {"write", "setting"};
static const char *const takes[] = {"", "text"};
static const struct pg_statements statements = {texts, names, takes, STATEMENTS};

static struct cluster cluster;

/* The URI of a cluster for a user, maybe with a password and with more behind it. */
static const char *uri_for(const char *user, const char *more) {
    static char uri[600];
    snprintf(uri, sizeof uri, "postgresql://%s@%s:%s/postgres%s", user, cluster.host, cluster.port,
             more);
    return uri;
}

/* Whether a server is refused, with a kind and a text in the fault and in the log. */
static void refused(const char *uri, enum pg_kind kind, const char *part, const char *name) {
    struct pg_server *server = open_server(uri, &statements);
    log_forget();
    struct pg_link *link = pg_server_connect(server);
    ok(!link, "refused: %s", name);
    is_fault(&server->fault, kind, part, "with its kind and reason");
    ok(log_has(part) && log_has(pg_advice(kind)), "the log says why, and what to do");
    ok(!pg_server_connect(server) && !retry_is_due(&server->retry),
       "it is not asked again at once");
    pg_link_close(link);
    close_server(server);
}

static void test_roles(void) {
    char path[60];
    char more[100];
    refused(uri_for("locked:wrong-s3cret", ""), PG_LOCKED, "password authentication failed",
            "a wrong password");
    ok(!log_has("s3cret"), "which is not in the log");
    refused(uri_for("locked", ""), PG_LOCKED, "no password supplied", "none");
    refused(uri_for("stranger", ""), PG_LOCKED, "role \"stranger\" does not exist", "no such role");
    refused(uri_for("crowd", ""), PG_CROWDED, "too many connections", "too many connections");
    refused(uri_for("outsider", ""), PG_RIGHTS, "permission denied for database",
            "a role without rights");
    alone(&cluster, "GRANT CONNECT ON DATABASE postgres TO PUBLIC");
    char other[400];
    snprintf(other, sizeof other, "postgresql://postgres@%s:%s/nothing", cluster.host,
             cluster.port);
    refused(other, PG_SETTINGS, "database \"nothing\" does not exist", "no such database");
    struct pg_server *server = open_server(uri_for("locked:right-s3cret", ""), &statements);
    struct pg_link *link = pg_server_connect(server);
    ok(link != NULL, "the right password is taken");
    pg_link_close(link);
    close_server(server);
    scratch_template(path, "pass");
    int fd = mkstemp(path);
    dprintf(fd, "*:*:*:locked:right-s3cret\n");
    close(fd);
    snprintf(more, sizeof more, "?passfile=%s", path);
    server = open_server(uri_for("locked", more), &statements);
    link = pg_server_connect(server);
    ok(link != NULL, "and from a file");
    unlink(path);
    pg_link_close(link);
    close_server(server);
}

/* The value of a setting of a session. */
static const char *setting(struct pg_link *link, const char *name) {
    static char value[200];
    struct pg_params params = {0};
    const char *text = "";
    pg_put_text(&params, name);
    int answer = pg_add(link, SETTING, &params);
    if (!pg_run(link, PG_STAYS, 5000) || !pg_get_text(link, answer, 0, 0, &text))
        printf("# %s\n", link->fault.message);
    snprintf(value, sizeof value, "%s", text);
    pg_params_free(&params);
    return value;
}

/* A role whose settings are all against us. */
static void test_session(void) {
    static const char *const hostile[][3] = {
        {"search_path", "evil, pg_catalog", "hashmill, pg_temp"},
        {"statement_timeout", "'0'", "5s"},
        {"lock_timeout", "'0'", "2s"},
        {"idle_in_transaction_session_timeout", "'0'", "10s"},
        {"idle_session_timeout", "'1h'", "0"},
        {"default_transaction_isolation", "'serializable'", "read committed"},
        {"client_min_messages", "'error'", "warning"},
        {"plan_cache_mode", "'auto'", "force_generic_plan"},
        {"jit", "'on'", "off"},
        {"TimeZone", "'Europe/Rome'", "UTC"},
        {"standard_conforming_strings", "'off'", "on"},
        {"synchronous_commit", "'local'", "on"},
        {"application_name", "'evil'", "hashmill"},
        {"client_encoding", "'LATIN1'", "UTF8"},
    };
    char sql[200];
    enum { SETTINGS = sizeof hostile / sizeof *hostile };
    for (int i = 0; i < SETTINGS; i++) {
        snprintf(sql, sizeof sql, "ALTER ROLE user1 SET %s = %s", hostile[i][0], hostile[i][1]);
        alone(&cluster, sql);
    }
    struct pg_server *server = open_server(uri_for("user1", ""), &statements);
    log_forget();
    struct pg_link *link = connect_or_end(server);
    for (int i = 0; i < SETTINGS; i++)
        is_text(setting(link, hostile[i][0]), hostile[i][2], hostile[i][0]);
    ok(log_has("synchronous_standby_names is empty"), "that there is no standby is said");
    log_forget();
    pg_link_close(link);
    alone(&cluster, "ALTER ROLE user1 SET synchronous_commit = 'remote_apply'");
    link = connect_or_end(server);
    is_text(setting(link, "synchronous_commit"), "remote_apply", "more than our own disk is kept");
    ok(!log_has("synchronous_standby_names"), "nothing is said twice");
    ok(!log_has("pooler"), "nor of a pooler that is not there");
    pg_link_close(link);
    alone(&cluster, "ALTER ROLE user1 SET default_transaction_read_only = on");
    link = connect_or_end(server);
    pg_add(link, WRITE, NULL);
    ok(!pg_run(link, PG_COMMITS, 5000), "a role that may only read cannot write");
    is_fault(&link->fault, PG_READ_ONLY, "read-only transaction", "and is told so");
    pg_link_close(link);
    alone(&cluster, "ALTER ROLE user1 RESET ALL");
    close_server(server);
}

/* Programs that are not PostgreSQL, or lack something: a catalog that is made to look like them. */
static void test_others(void) {
    static const char *const mods = "ALTER ROLE postgres SET allow_system_table_mods = on";
    alone(&cluster, mods);
    alone(&cluster, "ALTER FUNCTION pg_catalog.version() RENAME TO version_true");
    alone(&cluster, "CREATE FUNCTION pg_catalog.version() RETURNS text LANGUAGE sql AS "
                    "$$SELECT 'CockroachDB CCL v23.1.11 (x86_64-pc-linux-gnu)'$$");
    refused(cluster.uri, PG_UNFIT, "CockroachDB has no LISTEN", "CockroachDB");
    alone(&cluster, "CREATE OR REPLACE FUNCTION pg_catalog.version() RETURNS text LANGUAGE sql AS "
                    "$$SELECT 'PostgreSQL 15.2-YB-2.25.0.0-b0 on x86_64-pc-linux-gnu'$$");
    refused(cluster.uri, PG_UNFIT, "YugabyteDB has no ctid", "YugabyteDB");
    alone(&cluster, "DROP FUNCTION pg_catalog.version()");
    alone(&cluster, "ALTER FUNCTION pg_catalog.version_true() RENAME TO version");
    alone(&cluster, "ALTER FUNCTION pg_catalog.pg_walfile_name(pg_lsn) RENAME TO hidden");
    refused(cluster.uri, PG_UNFIT, "lacks what PostgreSQL has", "one without a function");
    alone(&cluster, "ALTER FUNCTION pg_catalog.hidden(pg_lsn) RENAME TO pg_walfile_name");
    alone(&cluster, "ALTER ROLE postgres RESET ALL");
}

/* A session that another one of ours had: as a pooler by transaction gives it. */
static void test_pooled(void) {
    alone(&cluster, "ALTER ROLE user1 SET hashmill.session = 'used'");
    refused(uri_for("user1", ""), PG_POOLED, "a pooler gives transactions",
            "a session with traces");
    alone(&cluster, "ALTER ROLE user1 RESET ALL");
}

/* The value that libpq has for a connection. */
static const char *option_of(PGconn *conn, const char *keyword) {
    static char value[100];
    PQconninfoOption *options = PQconninfo(conn);
    value[0] = '\0';
    for (PQconninfoOption *option = options; option->keyword; option++) {
        if (strcmp(option->keyword, keyword) == 0 && option->val)
            snprintf(value, sizeof value, "%s", option->val);
    }
    PQconninfoFree(options);
    return value;
}

/* By TCP and TLS; the certificate must be of the host that was named. */
static void test_tls(void) {
    char uri[600];
    static const char *const hosts[] = {"localhost", "127.0.0.1"};
    for (int i = 0; i < 2; i++) {
        snprintf(uri, sizeof uri,
                 "postgresql://postgres@%s:%s/postgres?sslmode=verify-full&sslrootcert=%s%%2F"
                 "server.crt",
                 hosts[i], cluster.port, cluster.host);
        if (i == 1) {
            refused(uri, PG_DOWN, "does not match host name", "a certificate of another name");
            continue;
        }
        struct pg_server *server = open_server(uri, &statements);
        struct pg_link *link = connect_or_end(server);
        ok(PQsslInUse(link->conn), "TLS is used");
        is_text(option_of(link->conn, "connect_timeout"), "2", "connect_timeout");
        is_text(option_of(link->conn, "tcp_user_timeout"), "3000", "tcp_user_timeout");
        is_text(option_of(link->conn, "keepalives"), "1", "keepalives");
        pg_link_close(link);
        close_server(server);
    }
    snprintf(uri, sizeof uri,
             "postgresql://postgres@localhost:%s/postgres?sslmode=verify-full&sslrootcert="
             "%%2Fetc%%2Fpasswd",
             cluster.port);
    refused(uri, PG_DOWN, "root certificate file", "an authority that is none");
}

/* One line a minute for each host and kind. */
static void test_log(void) {
    struct pg_server *server = open_server("postgresql://%2Fnowhere/q", &statements);
    log_forget();
    ok(!reconnect(server) && log_has("/nowhere:5432: "), "a fault is logged");
    log_forget();
    ok(!reconnect(server) && !log_has("/nowhere"), "once a minute");
    close_server(server);
}

/* What is judged of facts that no server here has. */
static void test_judge(void) {
    struct pg_fault why = {0};
    struct pg_facts facts = {.version = "PostgreSQL 13.11 on x86_64", .number = 130011};
    ok(!pg_judge_program(&facts, &why), "PostgreSQL 13 is refused");
    is_fault(&why, PG_UNFIT, "PostgreSQL 13; 14 or later", "with what is needed");
    facts.number = 140000;
    ok(pg_judge_program(&facts, &why), "14 is not");
    facts.version = "PostgreSQL 8.0.2 on i686-pc-linux-gnu, Redshift 1.0.1";
    ok(!pg_judge_program(&facts, &why), "Redshift is");
    facts.version = "OtherSQL 15";
    ok(!pg_judge_program(&facts, &why), "so is what nobody knows");
    facts = (struct pg_facts){.timeline = 3, .fsync = true, .local_flush = true, .aurora = true};
    ok(pg_judge_state(&facts, 3, &why), "Aurora needs no full_page_writes");
    facts.aurora = false;
    ok(!pg_judge_state(&facts, 3, &why), "others do");
    facts.full_page_writes = true;
    ok(pg_judge_state(&facts, 2, &why), "a higher timeline is good");
    ok(!pg_judge_state(&facts, 4, &why), "a lower one is not");
    is_int(why.kind, PG_PAST, "because it is of the past");
    facts.local_flush = false;
    ok(!pg_judge_state(&facts, 3, &why), "nor a commit that is nowhere");
    is_fault(&why, PG_UNFIT, "synchronous_commit", "which is said");
    facts.told = 1;
    ok(pg_is_pooled(&facts), "a backend that is another one's is behind a pooler");
}

/* Sockets that are closed, or open and silent. */
static void test_silence(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    char uri[100];
    int silent = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(silent, (struct sockaddr *)&address, size) != 0 ||
        getsockname(silent, (struct sockaddr *)&address, &size) != 0)
        abort();
    snprintf(uri, sizeof uri, "postgresql://me@127.0.0.1:%d/q", ntohs(address.sin_port));
    refused(uri, PG_DOWN, "Connection refused", "nobody listens");
    if (listen(silent, 1) != 0)
        abort();
    refused(uri, PG_DOWN, "did not answer in time", "somebody listens and says nothing");
    char both[500];
    snprintf(both, sizeof both, "postgresql://postgres@127.0.0.1:%d,%s:%s/postgres",
             ntohs(address.sin_port), cluster.host, cluster.port);
    struct pg_server *server = open_server(both, &statements);
    struct pg_link *link = pg_server_connect(server);
    ok(link != NULL, "the next host is used instead");
    is_int(server->current, 1, "which is the second");
    pg_link_close(link);
    close_server(server);
    close(silent);
}

/* A server that would lose what it acknowledges. */
static void test_unsafe(void) {
    command("kill a");
    cluster = start_server("a fsync=off");
    refused(cluster.uri, PG_UNFIT, "ALTER SYSTEM SET fsync = on", "fsync is off");
    command("kill a");
    cluster = start_server("a fsync=on full_page_writes=off");
    refused(cluster.uri, PG_UNFIT, "ALTER SYSTEM SET full_page_writes = on",
            "full_page_writes is off");
    command("kill a");
    cluster = start_server("a full_page_writes=on");
}

/* A standby is passed over; after its promotion the old primary is refused. */
static void test_failover(void) {
    char uri[600];
    int64_t seconds = 0;
    command("copy b a");
    struct cluster standby = start_server("b");
    refused(standby.uri, PG_STANDBY, "the server is a standby", "a standby alone");
    snprintf(uri, sizeof uri, "postgresql://postgres@%s:%s,%s:%s/postgres", standby.host,
             standby.port, cluster.host, cluster.port);
    struct pg_server *server = open_server(uri, &statements);
    log_forget();
    struct pg_link *link = pg_server_connect(server);
    ok(link && server->current == 1, "the standby is passed over");
    ok(!log_has("the server is a standby"), "nobody needs to know");
    is_int(server->timeline, 1, "the primary's timeline is known");
    pg_link_close(link);
    command("kill a");
    ok(!pg_server_connect(server), "the primary is gone");
    is_int(server->fault.kind, PG_DOWN, "which says more than that there is a standby");
    command("promote b");
    log_forget();
    link = connect_or_end(server);
    is_int(server->current, 0, "the promoted standby is used");
    is_int(server->timeline, 2, "on its timeline");
    ok(log_has("connected again after"), "that it goes on is said");
    ok(!retry_succeeded(&server->retry, &seconds), "it no longer fails");
    pg_link_close(link);
    cluster = start_server("a");
    command("kill b");
    log_forget();
    ok(!reconnect(server), "a primary of the past is not used");
    is_fault(&server->fault, PG_PAST, "timeline 1, and timeline 2 was seen",
             "because of its timeline");
    ok(log_has("is a primary of the past"), "the log says so");
    start_server("b");
    link = reconnect(server);
    ok(link && server->current == 0, "the one of the present is");
    pg_link_close(link);
    close_server(server);
}

int main(void) {
    set_up();
    cluster = start_server("a listen_addresses=127.0.0.1 ssl=on");
    struct pg_server *server = open_server(cluster.uri, &statements);
    struct pg_link *link = connect_or_end(server);
    script(link,
           "CREATE ROLE locked LOGIN PASSWORD 'right-s3cret';"
           "CREATE ROLE crowd LOGIN CONNECTION LIMIT 0; CREATE ROLE outsider LOGIN;"
           "CREATE ROLE user1 LOGIN; REVOKE CONNECT ON DATABASE postgres FROM PUBLIC;"
           "GRANT CONNECT ON DATABASE postgres TO locked, crowd, user1; CREATE SCHEMA evil;"
           "GRANT USAGE ON SCHEMA evil TO PUBLIC;"
           "CREATE FUNCTION evil.set_config(text, text, boolean) RETURNS text LANGUAGE plpgsql"
           " AS $$BEGIN RAISE 'evil'; END$$;"
           "CREATE FUNCTION evil.version() RETURNS text LANGUAGE sql AS $$SELECT 'evil'$$;");
    pg_link_close(link);
    close_server(server);
    test_roles();
    test_session();
    test_others();
    test_pooled();
    test_tls();
    test_log();
    test_judge();
    test_silence();
    test_unsafe();
    test_failover();
    return tear_down();
}
