#ifndef HASHMILL_PG_SERVER_H
#define HASHMILL_PG_SERVER_H

#include "pg_hosts.h"
#include "pg_judge.h"
#include "pg_link.h"
#include "retry.h"

/* The server that holds the queue, on one of several hosts, as one process knows it. */
struct pg_server {
    struct pg_hosts hosts;
    const struct pg_statements *statements;
    int current;           /* the host that was connected to last */
    int64_t timeline;      /* the highest that any host was seen at; 0: none yet */
    struct retry retry;    /* of connecting */
    struct pg_fault fault; /* why the last try to connect failed */
    bool told_alone;       /* that acknowledged items are on one disk only */
    bool told_pooled;      /* that something stands between */
    struct log_limit limit;
};

/* Reads where the server is; see pg_hosts_read. The statements are those of pg_add, and must
 * outlive the server. False with a fault in server->fault. */
bool pg_server_open(struct pg_server *server, const char *uri,
                    const struct pg_statements *statements);

void pg_server_close(struct pg_server *server);

/* Connects to the first host that may be used, beginning with the one that was used last: see
 * pg_judge. Takes at most some seconds for each host, and what it takes to look its name up. NULL
 * after a failure, with the fault in server->fault: logged, with its host, at most once a minute;
 * and at once, without a try, until server->retry.not_before_ms. */
struct pg_link *pg_server_connect(struct pg_server *server);

#endif
