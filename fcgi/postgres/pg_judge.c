#include "pg_judge.h"

#include <inttypes.h>
#include <string.h>

enum { OLDEST = 140000, MAJOR = 10000 };

/* Programs that speak PostgreSQL's protocol: what their version() has, and what they are without.
 */
static const struct {
    const char *part;
    const char *why;
} others[] = {
    {"CockroachDB", "CockroachDB has no LISTEN, and its SKIP LOCKED waits"},
    {"-YB-", "YugabyteDB has no ctid"},
    {"Redshift", "Redshift has no row locks"},
    {"Greenplum", "Greenplum has no SKIP LOCKED in a transaction of many rows"},
    {"Materialize", "Materialize has no row locks"},
    {"DSQL", "Aurora DSQL has no partitions and no LISTEN"},
};

bool pg_judge_program(const struct pg_facts *facts, struct pg_fault *why) {
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (!strstr(facts->version, others[i].part))
            continue;
        pg_fault_set(why, PG_UNFIT, "the server is not PostgreSQL: %s", others[i].why);
        return false;
    }
    if (strncmp(facts->version, "PostgreSQL ", 11) != 0) {
        pg_fault_set(why, PG_UNFIT, "the server is not PostgreSQL, it says: %.60s", facts->version);
        return false;
    }
    if (facts->number < OLDEST)
        pg_fault_set(why, PG_UNFIT, "the server is PostgreSQL %d; 14 or later is needed",
                     facts->number / MAJOR);
    return facts->number >= OLDEST;
}

bool pg_judge_state(const struct pg_facts *facts, int64_t timeline, struct pg_fault *why) {
    *why = (struct pg_fault){0};
    if (facts->used)
        pg_fault_set(why, PG_POOLED, "a pooler gives transactions to sessions as they come");
    else if (facts->standby)
        pg_fault_set(why, PG_STANDBY, "the server is a standby");
    else if (facts->timeline < timeline)
        pg_fault_set(why, PG_PAST,
                     "the server is a primary of the past: it is at timeline %" PRId64
                     ", and timeline %" PRId64 " was seen",
                     facts->timeline, timeline);
    else if (!facts->fsync)
        pg_fault_set(why, PG_UNFIT,
                     "the server has fsync off and would lose acknowledged items in a power cut: "
                     "ALTER SYSTEM SET fsync = on, then pg_reload_conf()");
    else if (!facts->full_page_writes && !facts->aurora)
        pg_fault_set(why, PG_UNFIT,
                     "the server has full_page_writes off, and a power cut could tear pages: "
                     "ALTER SYSTEM SET full_page_writes = on, then pg_reload_conf()");
    else if (!facts->local_flush)
        pg_fault_set(why, PG_UNFIT,
                     "the role may not set synchronous_commit, which is off or local: ALTER ROLE "
                     "... SET synchronous_commit = on");
    return why->kind == PG_FINE;
}

bool pg_is_pooled(const struct pg_facts *facts) {
    return facts->process != facts->told;
}
