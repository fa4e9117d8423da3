/* Connecting: one host after the other, until one may be used. */

#include "pg_server.h"

#include <inttypes.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "pg_answer.h"
#include "pg_sql.h"

enum {
    CONNECT_MS = 2000, /* for a connection, */
    LOOK_MS = 2000,    /* and for each of two looks at the server */
    PAUSE_MS = 1000    /* the longest between tries, while a primary may be about to come */
};

bool pg_server_open(struct pg_server *server, const char *uri,
                    const struct pg_statements *statements) {
    *server = (struct pg_server){.statements = statements};
    return pg_hosts_read(&server->hosts, uri, &server->fault);
}

void pg_server_close(struct pg_server *server) {
    pg_hosts_free(&server->hosts);
}

/* Looks which program the server is: others may not even know what is asked next. */
static bool is_postgresql(struct pg_link *link, struct pg_fault *why) {
    struct pg_facts facts = {.number = PQserverVersion(link->conn)};
    int answer = pg_add_own(link, PG_SQL_VERSION, NULL);
    if (pg_run(link, PG_STAYS, LOOK_MS) && pg_get_text(link, answer, 0, 0, &facts.version))
        return pg_judge_program(&facts, why);
    *why = link->fault;
    return false;
}

/* Prepares the session and reads the facts of the server. */
static bool look(struct pg_link *link, struct pg_facts *facts, struct pg_fault *why) {
    facts->told = PQbackendPID(link->conn);
    const char *left = "";
    int path = pg_add_own(link, PG_SQL_SESSION_PATH, NULL);
    pg_add_own(link, PG_SQL_SESSION, NULL);
    int answer = pg_add_own(link, PG_SQL_FACTS, NULL);
    if (pg_run(link, PG_STAYS, LOOK_MS) && pg_get_text(link, path, 0, 0, &left) &&
        pg_get_bool(link, answer, 0, 0, &facts->standby) &&
        pg_get_int8(link, answer, 0, 1, &facts->timeline) &&
        pg_get_bool(link, answer, 0, 2, &facts->fsync) &&
        pg_get_bool(link, answer, 0, 3, &facts->full_page_writes) &&
        pg_get_bool(link, answer, 0, 4, &facts->aurora) &&
        pg_get_bool(link, answer, 0, 5, &facts->local_flush) &&
        pg_get_bool(link, answer, 0, 6, &facts->copied) &&
        pg_get_int4(link, answer, 0, 7, &facts->process)) {
        facts->used = strcmp(left, "used") == 0;
        return true;
    }
    *why = link->fault;
    if (why->kind == PG_SCHEMA || why->kind == PG_BUG)
        pg_fault_set(why, PG_UNFIT, "the server lacks what PostgreSQL has: %.200s",
                     link->fault.message);
    return false;
}

/* Says once what an operator should know of a server that is used. */
static void tell(struct pg_server *server, const char *where, const struct pg_facts *facts) {
    if (!facts->copied && !server->told_alone) {
        server->told_alone = true;
        log_warn("PostgreSQL, %s: synchronous_standby_names is empty: if the disk of this server "
                 "is lost, or a standby takes its place, acknowledged items may be lost",
                 where);
    }
    if (pg_is_pooled(facts) && !server->told_pooled) {
        server->told_pooled = true;
        log_warn("PostgreSQL, %s: a pooler stands between: it must pool by session, not by "
                 "transaction",
                 where);
    }
}

/* Connects to one host. NULL with the reason when it cannot be used. */
static struct pg_link *try_host(struct pg_server *server, int at, struct pg_fault *why) {
    struct pg_facts facts = {0};
    struct pg_link *link = pg_link_open(pg_hosts_dial(&server->hosts, at), server->statements,
                                        clock_steady_ms() + CONNECT_MS, why);
    if (!link)
        return NULL;
    if (!is_postgresql(link, why) || !look(link, &facts, why) ||
        !pg_judge_state(&facts, server->timeline, why)) {
        pg_link_close(link);
        return NULL;
    }
    server->timeline = facts.timeline;
    tell(server, server->hosts.hosts[at].told, &facts);
    return link;
}

/* Whether only an operator can mend a fault: it is not worth many tries. */
static bool is_lasting(enum pg_kind kind) {
    return kind == PG_LOCKED || kind == PG_RIGHTS || kind == PG_SETTINGS || kind == PG_UNFIT ||
           kind == PG_POOLED || kind == PG_BUG;
}

/* How much a fault says about why there is no server: more than that another host is a standby. */
static int weight(enum pg_kind kind) {
    return kind == PG_FINE ? 0 : kind == PG_STANDBY ? 1 : kind == PG_DOWN ? 2 : 3;
}

static void note_success(struct pg_server *server, int at) {
    int64_t seconds = 0;
    server->current = at;
    server->fault = (struct pg_fault){0};
    if (retry_succeeded(&server->retry, &seconds))
        log_info("PostgreSQL, %s: connected again after %" PRId64 " s",
                 server->hosts.hosts[at].told, seconds);
}

struct pg_link *pg_server_connect(struct pg_server *server) {
    if (!retry_is_due(&server->retry))
        return NULL;
    struct pg_fault worst = {0};
    bool lasting = true;
    for (int i = 0; i < server->hosts.count; i++) {
        struct pg_fault why = {0};
        int at = (server->current + i) % server->hosts.count;
        struct pg_link *link = try_host(server, at, &why);
        if (link) {
            note_success(server, at);
            return link;
        }
        if (why.kind != PG_STANDBY)
            pg_fault_log(&server->limit, &why, server->hosts.hosts[at].told);
        lasting = lasting && is_lasting(why.kind);
        if (weight(why.kind) > weight(worst.kind))
            worst = why;
    }
    if (worst.kind == PG_STANDBY)
        pg_fault_log(&server->limit, &worst, "every host");
    server->fault = worst;
    retry_failed(&server->retry);
    retry_delay(&server->retry, lasting ? retry_slow_ms() : 0, lasting ? INT64_MAX : PAUSE_MS);
    return NULL;
}
