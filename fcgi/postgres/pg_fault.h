#ifndef HASHMILL_PG_FAULT_H
#define HASHMILL_PG_FAULT_H

#include <libpq-fe.h>

#include "base/log_limit.h"

/* What can go wrong with a server, by what is to be done about it. */
enum pg_kind {
    PG_FINE,
    PG_AGAIN,     /* a deadlock, a lock or a statement that took too long: the same again may do */
    PG_DOWN,      /* no server, or the connection broke */
    PG_FULL,      /* its disk */
    PG_CROWDED,   /* too many connections */
    PG_READ_ONLY, /* it takes no changes */
    PG_LOCKED,    /* the user or the password is wrong */
    PG_RIGHTS,    /* the role may not do this */
    PG_SCHEMA,    /* tables are not as this program wants them */
    PG_SETTINGS,  /* what the operator gave is wrong */
    PG_UNFIT,     /* not a server that keeps what it acknowledges, or not PostgreSQL */
    PG_STANDBY,   /* not the primary */
    PG_PAST,      /* a primary that another one has replaced */
    PG_POOLED,    /* another session has taken this one's place */
    PG_FAILING,   /* the server's disk or files fail */
    PG_UNKNOWN,   /* whether what was sent took effect */
    PG_BUG,       /* anything else */
    PG_KINDS
};

enum { PG_STATE_SIZE = 6, PG_MESSAGE_SIZE = 300 };

/* The fault of one call; all zeros: none. */
struct pg_fault {
    enum pg_kind kind;
    char state[PG_STATE_SIZE];     /* SQLSTATE; "" when no server has given one */
    char message[PG_MESSAGE_SIZE]; /* in the words of who noticed it, one line */
};

/* The kind of an SQLSTATE. */
enum pg_kind pg_kind_of(const char *state);

/* One sentence for the operator that says what to do. */
const char *pg_advice(enum pg_kind kind);

/* Notes a fault in own words. */
void pg_fault_set(struct pg_fault *fault, enum pg_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Notes the fault of a result: of the server's error only the message itself is kept, which has no
 * values of rows or parameters beside it. */
void pg_fault_of_result(struct pg_fault *fault, const PGresult *result);

/* Notes why a connection could not be made. Its errors must be verbose (PQERRORS_VERBOSE): libpq
 * gives the SQLSTATE in its text alone. */
void pg_fault_of_connecting(struct pg_fault *fault, PGconn *conn);

/* Logs a fault with its advice, at most one line a minute for each kind and each `where`: the
 * server, or what was done. */
void pg_fault_log(struct log_limit *limit, const struct pg_fault *fault, const char *where);

#endif
