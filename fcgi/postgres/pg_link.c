/* Connections: made within a time limit, and closed. */

#include "pg_link.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "pg_wait.h"

short pg_wait(const PGconn *conn, short events, int64_t until_ms) {
    struct pollfd fd = {.fd = PQsocket(conn), .events = events};
    for (;;) {
        int count = poll(&fd, 1, clock_timeout_ms(until_ms));
        if (count > 0)
            return fd.revents;
        if (count < 0 && errno != EINTR)
            return POLLERR;
        if (clock_steady_ms() >= until_ms)
            return 0;
    }
}

/* Goes on with a connection that was begun. False after a failure. */
static bool finish_connecting(PGconn *conn, int64_t until_ms, struct pg_fault *why) {
    PQsetErrorVerbosity(conn, PQERRORS_VERBOSE); /* for pg_fault_of_connecting */
    PostgresPollingStatusType status = PGRES_POLLING_WRITING;
    while (PQstatus(conn) != CONNECTION_BAD) {
        if (pg_wait(conn, status == PGRES_POLLING_READING ? POLLIN : POLLOUT, until_ms) == 0) {
            pg_fault_set(why, PG_DOWN, "the server did not answer in time");
            return false;
        }
        status = PQconnectPoll(conn);
        if (status == PGRES_POLLING_OK) {
            PQsetErrorVerbosity(conn, PQERRORS_TERSE); /* no values of rows */
            return true;
        }
        if (status == PGRES_POLLING_FAILED)
            break;
    }
    pg_fault_of_connecting(why, conn);
    return false;
}

/* Keeps a warning of the server. */
static void note_notice(void *to, const PGresult *notice) {
    struct pg_link *link = to;
    const char *severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
    if (link->warned || !severity || strcmp(severity, "WARNING") != 0)
        return;
    link->warned = true;
    pg_fault_of_result(&link->warning, notice);
}

/* Makes the link of a connection that is made; NULL when memory is short. */
static struct pg_link *make_link(PGconn *conn, const struct pg_statements *statements) {
    struct pg_link *link = calloc(1, sizeof *link);
    struct pg_prepared *prepared = calloc((size_t)statements->count + 1, sizeof *prepared);
    if (!link || !prepared || PQsetnonblocking(conn, 1) != 0 || !PQenterPipelineMode(conn)) {
        free(link);
        free(prepared);
        return NULL;
    }
    for (int i = 0; i < statements->count; i++)
        prepared[i].count = -1;
    *link = (struct pg_link){.conn = conn, .statements = statements, .prepared = prepared};
    PQsetNoticeReceiver(conn, note_notice, link);
    return link;
}

struct pg_link *pg_link_open(PGconn *conn, const struct pg_statements *statements, int64_t until_ms,
                             struct pg_fault *why) {
    struct pg_link *link = NULL;
    pg_fault_set(why, PG_AGAIN, "memory is short");
    if (conn && finish_connecting(conn, until_ms, why))
        link = make_link(conn, statements);
    if (link)
        *why = (struct pg_fault){0};
    else
        PQfinish(conn);
    return link;
}

void pg_link_close(struct pg_link *link) {
    if (!link)
        return;
    for (int i = 0; i < link->sent_count; i++)
        PQclear(link->sent[i].result);
    PQfinish(link->conn);
    free(link->prepared);
    free(link->sent);
    free(link);
}
