/* The version of the schema, and how it is brought up to date. */

#include "pg_migrate.h"

#include <stdio.h>

#include "pg_answer.h"
#include "pg_sql.h"

/* Reads the version, 0 without a schema; in the transaction that may be open. */
static bool read_version(struct pg_link *link, int64_t limit_ms, int32_t *version) {
    bool there = false;
    *version = 0;
    int answer = pg_add_own(link, PG_SQL_SCHEMA_THERE, NULL);
    if (!pg_run(link, PG_STAYS, limit_ms) || !pg_get_bool(link, answer, 0, 0, &there))
        return false;
    if (!there)
        return true;
    answer = pg_add_own(link, PG_SQL_SCHEMA_VERSION, NULL);
    return pg_run(link, PG_STAYS, limit_ms) && pg_get_int4(link, answer, 0, 0, version);
}

/* Whether the version is one that can be brought up to date, or is. */
static bool check_version(struct pg_link *link, int32_t version, int wanted) {
    if (version <= wanted)
        return true;
    pg_fault_set(&link->fault, PG_SCHEMA,
                 "the schema has version %d, and this program knows it up to %d: a newer one was "
                 "here before",
                 version, wanted);
    return false;
}

/* Begins the transaction and waits until nobody else migrates. */
static bool take_turn(struct pg_link *link, int64_t limit_ms, int32_t *version) {
    bool ours = false;
    pg_begin(link);
    pg_add_own(link, PG_SQL_MIGRATE_LOCK, NULL);
    if (!pg_run(link, PG_STAYS, limit_ms) ||
        !pg_script(link, pg_sql_text[PG_SQL_SCHEMA_MAKE], limit_ms))
        return false;
    int answer = pg_add_own(link, PG_SQL_SCHEMA_OWNED, NULL);
    if (!pg_run(link, PG_STAYS, limit_ms) || !pg_get_bool(link, answer, 0, 0, &ours))
        return false;
    if (!ours)
        pg_fault_set(&link->fault, PG_RIGHTS, "the schema hashmill belongs to another role");
    return ours && read_version(link, limit_ms, version);
}

/* Does the migrations from a version on, and commits. */
static bool go_on_from(struct pg_link *link, const struct pg_migrations *migrations,
                       int32_t version, int64_t limit_ms) {
    struct pg_params params = {0};
    bool good = true;
    for (int32_t at = version; at < migrations->count && good; at++) {
        good = pg_script(link, migrations->text[at], limit_ms);
        pg_params_clear(&params);
        pg_put_int4(&params, at + 1);
        if (good) {
            pg_add_own(link, PG_SQL_SCHEMA_MIGRATED, &params);
            good = pg_run(link, PG_STAYS, limit_ms);
        }
    }
    pg_params_free(&params);
    return good && pg_run(link, PG_COMMITS, limit_ms);
}

/* Says of a role without the right what it cannot do. */
static void explain_rights(struct pg_link *link, int32_t version, int wanted) {
    struct pg_fault fault = link->fault;
    if (fault.kind == PG_RIGHTS)
        snprintf(link->fault.message, sizeof link->fault.message,
                 "the schema has version %d, this program needs %d, and the role may not bring it "
                 "up to date: %.150s",
                 version, wanted, fault.message);
}

bool pg_migrate(struct pg_link *link, const struct pg_migrations *migrations, int64_t limit_ms) {
    int32_t version = 0;
    if (!read_version(link, limit_ms, &version))
        return false;
    if (!check_version(link, version, migrations->count))
        return false;
    if (version == migrations->count)
        return true;
    if (take_turn(link, limit_ms, &version) && check_version(link, version, migrations->count) &&
        go_on_from(link, migrations, version, limit_ms))
        return true;
    explain_rights(link, version, migrations->count);
    pg_rollback(link, limit_ms);
    return false;
}
