#ifndef HASHMILL_PG_WAIT_H
#define HASHMILL_PG_WAIT_H

#include <libpq-fe.h>
#include <stdint.h>

/* Waits until a connection's socket is ready for events of poll, at most until until_ms (steady
 * time). Returns what it is ready for; 0: the time is over. */
short pg_wait(const PGconn *conn, short events, int64_t until_ms);

#endif
