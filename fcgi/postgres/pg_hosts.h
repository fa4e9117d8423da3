#ifndef HASHMILL_PG_HOSTS_H
#define HASHMILL_PG_HOSTS_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "pg_fault.h"

/*
 * Where the servers are, from a URI of libpq:
 *
 *     postgresql://USER@HOST:PORT,HOST:PORT/DATABASE?sslmode=verify-full
 *
 * The hosts are tried here, one after the other. libpq would take the first that is writable, which
 * may be a primary of the past. No message has the user or the password.
 */
enum { PG_HOSTS_MAX = 16, PG_HOST_SIZE = 256, PG_PORT_SIZE = 6 };

struct pg_host {
    char name[PG_HOST_SIZE]; /* "": libpq's own socket */
    char port[PG_PORT_SIZE];
    char told[PG_HOST_SIZE + PG_PORT_SIZE + 2]; /* for messages: HOST:PORT */
};

struct pg_hosts {
    PQconninfoOption *options; /* of the URI; owned */
    int count;
    struct pg_host hosts[PG_HOSTS_MAX];
};

/* Reads a URI. Refuses what would let a password or items travel in the clear, or past a false
 * server: anything weaker than sslmode=verify-full, except on this machine. Refuses what this
 * layer sets itself. Takes away the variables of the environment that would change where libpq
 * connects to, or how a session starts. False with a fault of kind PG_SETTINGS. */
bool pg_hosts_read(struct pg_hosts *hosts, const char *uri, struct pg_fault *why);

/* Gives back what pg_hosts_read took, after a failure, too. */
void pg_hosts_free(struct pg_hosts *hosts);

/* Begins to connect to one of the hosts, without waiting; see PQconnectStartParams. NULL when
 * memory is short. */
PGconn *pg_hosts_dial(const struct pg_hosts *hosts, int at);

#endif
