/* Which URIs are taken, and that none of their mistakes shows a password; kinds of SQLSTATE. */
#include "fcgi/postgres/pg_hosts.h"

#include <stdlib.h>
#include <string.h>

#include "tap.h"

static struct pg_hosts hosts;
static struct pg_fault fault;

static bool reads(const char *uri) {
    pg_hosts_free(&hosts);
    return pg_hosts_read(&hosts, uri, &fault);
}

static void test_hosts(void) {
    ok(reads("postgresql://me@localhost/q"), "one host");
    is_int(hosts.count, 1, "is one");
    is_text(hosts.hosts[0].told, "localhost:5432", "with the usual port");
    ok(reads("postgres://127.0.0.1:6000,[::1]:6001,%2Frun%2Fpg:6002/q"), "three hosts");
    is_text(hosts.hosts[0].told, "127.0.0.1:6000", "the first");
    is_text(hosts.hosts[1].name, "::1", "an address of IPv6");
    is_text(hosts.hosts[2].name, "/run/pg", "a socket");
    is_text(hosts.hosts[2].port, "6002", "with its port");
    ok(reads("postgresql:///q?host=127.0.0.1,127.0.0.2&port=7000"), "one port for all");
    is_text(hosts.hosts[1].told, "127.0.0.2:7000", "is the second one's, too");
    ok(reads("postgresql:///q"), "no host");
    is_text(hosts.hosts[0].told, "local:5432", "is the socket of this machine");
    ok(!reads("postgresql://localhost:0/q"), "no port 0");
    ok(!reads("postgresql://localhost:65536/q"), "nor one that is too high");
    ok(!reads("host=localhost dbname=q"), "only URIs");
    ok(strstr(fault.message, "postgresql://") != NULL, "which is said");
    ok(!reads("postgresql://localhost,localhost,localhost,localhost,localhost,localhost,localhost,"
              "localhost,localhost,localhost,localhost,localhost,localhost,localhost,localhost,"
              "localhost,localhost/q"),
       "seventeen hosts are too many");
}

static void test_security(void) {
    static const char *const weak[] = {
        "postgresql://db.example/q",
        "postgresql://db.example/q?sslmode=require",
        "postgresql://db.example/q?sslmode=verify-ca",
        "postgresql://db.example/q?ssl=true",
        "postgresql://10.0.0.1/q",
        "postgresql://127.0.0.1.example/q",
        "postgresql://localhost,db.example/q",
        "postgresql://localhost.example/q?sslmode=prefer",
    };
    for (size_t i = 0; i < sizeof weak / sizeof *weak; i++) {
        ok(!reads(weak[i]), "refused: %s", weak[i]);
        ok(strstr(fault.message, "add sslmode=verify-full") != NULL, "with what to do");
    }
    ok(reads("postgresql://db.example,localhost/q?sslmode=verify-full"), "verify-full is taken");
    ok(!reads("postgresql://localhost/q?hostaddr=10.0.0.1"), "no address behind the name's back");
    ok(!reads("postgresql://localhost/q?options=-csearch_path%3Devil"), "no options");
    ok(!reads("postgresql://localhost/q?target_session_attrs=primary"), "no choice by libpq");
    is_int(fault.kind, PG_SETTINGS, "that is for who set it");
    ok(strstr(fault.message, "leave target_session_attrs out") != NULL, "and it is said what");
    setenv("PGHOSTADDR", "10.0.0.1", 1);
    setenv("PGOPTIONS", "-c search_path=evil", 1);
    reads("postgresql://localhost/q");
    ok(!getenv("PGHOSTADDR") && !getenv("PGOPTIONS"), "nor by the environment");
}

static void test_secret(void) {
    static const char *const wrong[] = {
        "postgresql://me:s3cret%zz@localhost/q",
        "postgresql://me:s3cret@local host/q?nonsense=1",
        "postgresql://me:s3cret@localhost/q?password=s3cret&nonsense=s3",
        "postgresql://me:s3cret/more@localhost/q",
        "postgresql://me:p@s3cret@localhost/q?nonsense",
        "postgresql://me:s3cret@10.0.0.1/q",
        "postgresql://me:s3cret@localhost:x/q",
        "postgresql://localhost/q?password=s3cret%zz",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ok(!reads(wrong[i]), "refused: mistake %d", (int)i);
        if (!ok(!strstr(fault.message, "s3cret") && fault.message[0] != '\0',
                "without its password"))
            printf("# %s\n", fault.message);
    }
}

static void test_kinds(void) {
    static const struct {
        const char *state;
        enum pg_kind kind;
    } states[] = {
        {"40001", PG_AGAIN},   {"40P01", PG_AGAIN},   {"55P03", PG_AGAIN},
        {"57014", PG_AGAIN},   {"57P01", PG_DOWN},    {"57P03", PG_DOWN},
        {"08006", PG_DOWN},    {"08007", PG_UNKNOWN}, {"40003", PG_UNKNOWN},
        {"53100", PG_FULL},    {"53300", PG_CROWDED}, {"25006", PG_READ_ONLY},
        {"28P01", PG_LOCKED},  {"28000", PG_LOCKED},  {"42501", PG_RIGHTS},
        {"42P01", PG_SCHEMA},  {"42703", PG_SCHEMA},  {"3D000", PG_SETTINGS},
        {"26000", PG_POOLED},  {"42P05", PG_POOLED},  {"58030", PG_FAILING},
        {"XX001", PG_FAILING}, {"XX000", PG_BUG},     {"23505", PG_BUG},
        {"", PG_BUG},
    };
    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
        is_int(pg_kind_of(states[i].state), states[i].kind, states[i].state);
    for (int kind = 0; kind < PG_KINDS; kind++)
        ok(pg_advice(kind) != NULL, "kind %d has its advice", kind);
    pg_fault_set(&fault, PG_DOWN, " a\n\tb  c \n");
    is_text(fault.message, "a b c", "a message is one line");
}

int main(void) {
    test_hosts();
    test_security();
    test_secret();
    test_kinds();
    pg_hosts_free(&hosts);
    return done_testing();
}
