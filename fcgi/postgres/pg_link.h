#ifndef HASHMILL_PG_LINK_H
#define HASHMILL_PG_LINK_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "pg_fault.h"
#include "pg_params.h"

/*
 * One connection, and the pipelines on it. A pipeline is some statements that are sent together and
 * answered together:
 *
 *     pg_add(link, PG_SQL_THIS, &params);
 *     pg_add(link, PG_SQL_THAT, &others);
 *     if (pg_run(link, PG_COMMITS, 2000))
 *         ... the answers 0 and 1 (pg_answer.h)
 *
 * Without pg_begin the statements are a transaction of their own. Nothing here waits beyond its
 * limit, whatever the server does, and nothing is ever cancelled: a commit that waits for its
 * standby would be reported as done.
 */

/* The statements of a program, as scripts/build/sql-table makes them. */
struct pg_statements {
    const char *const *text;
    const char *const *name;
    const char *const *takes; /* types of parameters, see pg_types_read */
    int count;
};

enum { PG_ANSWERS_MAX = 4096 };

/* What a pipeline does to the transaction. */
enum pg_ending {
    PG_COMMITS, /* at its end everything is committed, or nothing is done */
    PG_STAYS    /* a transaction that it began is still open behind it, or it only read */
};

struct pg_link {
    PGconn *conn; /* NULL: closed */
    const struct pg_statements *statements;
    struct pg_prepared {
        int count; /* of parameters; -1: it is not prepared yet */
        Oid types[PG_PARAMETERS_MAX];
    } * prepared; /* owned */
    /* The pipeline: what was sent, and its results. */
    struct pg_sent {
        const char *name; /* of the statement, for messages */
        int prepares;     /* the statement that it prepares; -1: it runs one */
        PGresult *result;
    } * sent; /* owned */
    int sent_count;
    int sent_size;
    int result_count;            /* so many of these have come */
    int answers[PG_ANSWERS_MAX]; /* where in sent the answer of each pg_add is */
    int answer_count;
    size_t bytes;        /* sent, about */
    bool begins;         /* there is a BEGIN among them */
    bool over;           /* it has run: the next pg_add begins another one */
    bool in_transaction; /* after the last run */
    bool warned;         /* the server has given a warning; */
    struct pg_fault warning;
    struct pg_fault fault; /* of the last call that failed */
};

/* Makes a link of a connection that PQconnectStartParams began, and waits until it is made, at most
 * until until_ms (steady time). NULL, and the connection closed, after a failure. */
struct pg_link *pg_link_open(PGconn *conn, const struct pg_statements *statements, int64_t until_ms,
                             struct pg_fault *why);

/* Closes the connection and frees the link; NULL is ignored. */
void pg_link_close(struct pg_link *link);

/* Adds a statement to the pipeline, and prepares it if it is the first time. params may be NULL
 * when it takes none, and may be changed at once. Returns the number of its answer; -1 after a
 * failure, which pg_run tells. */
int pg_add(struct pg_link *link, int sql, const struct pg_params *params);

/* Adds a statement of this layer's own (enum pg_sql of pg_sql.h), which is not prepared. */
int pg_add_own(struct pg_link *link, int own, const struct pg_params *params);

/* Adds a BEGIN. The transaction ends by PG_COMMITS, by a failure or by pg_rollback. */
void pg_begin(struct pg_link *link);

/* Sends what was added and waits for all answers, at most limit_ms. False after a failure, with the
 * first in link->fault: no transaction is open then, and nothing of it took effect, but with
 * PG_UNKNOWN, where all or nothing did, or will yet: a backend that stood still goes on with what
 * it has got, long after the connection is closed here. What must not happen twice, or late, has to
 * fail there by itself, with an error. A connection that broke or took too long is closed
 * (link->conn is NULL), whatever the kind. The answers stay until the next pg_add. */
bool pg_run(struct pg_link *link, enum pg_ending ending, int64_t limit_ms);

/* Runs a text of several statements without parameters in the transaction that is open, which stays
 * open; else as pg_run, without answers. */
bool pg_script(struct pg_link *link, const char *text, int64_t limit_ms);

/* Gives up the transaction that is open, if one is; link->fault and the answers stay. */
void pg_rollback(struct pg_link *link, int64_t limit_ms);

#endif
