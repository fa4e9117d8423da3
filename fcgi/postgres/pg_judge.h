#ifndef HASHMILL_PG_JUDGE_H
#define HASHMILL_PG_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "pg_fault.h"

/* What is known of a server that was connected to. */
struct pg_facts {
    const char *version; /* what version() says */
    int number;          /* 150004 is 15.4 */
    bool standby;
    int64_t timeline;
    bool fsync;
    bool full_page_writes;
    bool aurora;      /* Amazon's storage, which does not write pages */
    bool local_flush; /* a commit is at least on the server's own disk */
    bool copied;      /* it waits for standbys: synchronous_standby_names */
    bool used;        /* the session was another one's, of ours, before */
    int32_t process;  /* of the backend, as the server says, */
    int32_t told;     /* and as it was said when the connection was made */
};

/* Whether the program is PostgreSQL, by its version() and its number; false with a fault of kind
 * PG_UNFIT that says what is missing. */
bool pg_judge_program(const struct pg_facts *facts, struct pg_fault *why);

/* Whether a server may be used, when timeline is the highest that was seen. Refused are: a standby;
 * a primary of the past, where what is acknowledged is lost; one without fsync, full_page_writes
 * or a flush at each commit, which loses acknowledged items in a power cut; one behind a pooler
 * that hands sessions from one to the other, where prepared statements are not what one has made.
 */
bool pg_judge_state(const struct pg_facts *facts, int64_t timeline, struct pg_fault *why);

/* Whether something stands between, as a pooler does. */
bool pg_is_pooled(const struct pg_facts *facts);

#endif
