/* What is kept for people to read: the decisions of the scaler, what operators do, and when the
 * last backup was made. And the parts of the node that operators have paused. */

#include <stdio.h>
#include <string.h>

#include "log.h"
#include "store_sql.h"

enum { AUDIT_MAX = 100000 }; /* rows */

bool store_save_decision(struct sqlite_store *store, const char *why) {
    return store_run(store, SQL_DECISION_ADD, "it", store->wall_ms, why) &&
           store_run(store, SQL_DECISION_PRUNE, "");
}

bool store_audit(struct sqlite_store *store, const char *who, const char *what, const char *about,
                 int64_t items) {
    return store_run(store, SQL_AUDIT_ADD, "ittti", store->wall_ms, who, what, about, items) &&
           store_run(store, SQL_AUDIT_PRUNE, "i", (int64_t)AUDIT_MAX);
}

bool store_audit_by_key(struct sqlite_store *store, const char *who, const char *what,
                        const char *about, int64_t items) {
    if (who[0] == '\0' || items == 0 || store_audit(store, who, what, about, items))
        return true;
    store_lose(store);
    return false;
}

bool store_is_paused(const struct sqlite_store *store, enum queue_part part) {
    return (store->counts.paused & part) != 0;
}

/* The name of a part. */
static const char *name_of(int32_t part) {
    int number = 0;
    while (number < QUEUE_PARTS - 1 && part != 1 << number)
        number++;
    return queue_part_names[number];
}

/* Saves the reason for which the scaler does nothing, or does something again. */
static bool decide(struct sqlite_store *store, const struct queue_pause *pause) {
    char why[QUEUE_WHY_SIZE];
    snprintf(why, sizeof why, "scaling is %s by %s", pause->begins ? "paused" : "resumed",
             pause->who[0] ? pause->who : "an operator");
    return pause->part != PART_SCALING || store_save_decision(store, why);
}

/* Keeps who pauses a part until the batch is committed. */
static void note_pauser(struct sqlite_store *store, const struct queue_pause *pause) {
    for (int number = 0; number < QUEUE_PARTS; number++) {
        struct pauser *pauser = &store->pausers[number];
        if (pause->part != 1 << number)
            continue;
        snprintf(pauser->who, sizeof pauser->who, "%s", pause->who);
        pauser->request = log_get_request();
    }
}

enum queue_result sqlite_pause(struct store *base, const struct queue_pause *pause,
                               int64_t *paused) {
    struct sqlite_store *store = sqlite_of(base);
    struct counts *counts = &store->counts;
    *paused = counts->paused;
    if (store_is_paused(store, (enum queue_part)pause->part) == (pause->begins != 0))
        return QUEUE_OK;
    if (!store_audit(store, pause->who, pause->begins ? "pause" : "resume", name_of(pause->part),
                     0) ||
        !decide(store, pause)) {
        store_lose(store); /* all or nothing */
        return QUEUE_FAULT;
    }
    counts->paused ^= pause->part;
    *paused = counts->paused;
    note_pauser(store, pause);
    return QUEUE_OK;
}

enum queue_result sqlite_note_backup(struct store *base) {
    struct sqlite_store *store = sqlite_of(base);
    if (!store_run(store, SQL_TALLY_BACKED_UP, "i", store->wall_ms)) {
        store_lose(store);
        return QUEUE_FAULT;
    }
    store->counts.backed_up_wall_ms = store->wall_ms;
    return QUEUE_OK;
}

void store_tell_paused(struct sqlite_store *store) {
    int64_t changed = store->counts.paused ^ store->saved_counts.paused;
    for (int number = 0; number < QUEUE_PARTS; number++) {
        int64_t part = 1 << number;
        const struct pauser *pauser = &store->pausers[number];
        if (!(changed & part))
            continue;
        log_set_request(pauser->request.id);
        log_info("%s is %s by %s", queue_part_names[number],
                 store->counts.paused & part ? "paused" : "resumed",
                 pauser->who[0] ? pauser->who : "an operator");
        log_set_request(NULL);
    }
}

void store_tell_still_paused(const struct sqlite_store *store) {
    for (int number = 0; number < QUEUE_PARTS; number++) {
        if (store->counts.paused & 1 << number)
            log_info("%s is still paused by an operator: POST /admin/resume?what=%s lets it go on",
                     queue_part_names[number], queue_part_names[number]);
    }
}
