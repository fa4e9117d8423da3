/* The registry: machines that are launched and go. */

#include "store_sql.h"

static bool save_machine(struct store *store, const struct queue_change *change) {
    return store_run(store, SQL_MACHINE_CHANGE, "ttiiii", change->name, change->id,
                     (int64_t)change->state, store_now_ms(store), store->wall_ms,
                     change->launched_ago_ms) &&
           (change->state != MACHINE_GONE || store_run(store, SQL_MACHINE_PRUNE, ""));
}

enum queue_result store_change(struct store *store, const struct queue_change *change) {
    if (change->name[0] != '\0' && change->state == MACHINE_LAUNCHING) {
        enum queue_result result = store_may_launch(store, change->name);
        if (result != QUEUE_OK)
            return result;
    }
    bool good = (change->name[0] == '\0' || save_machine(store, change)) &&
                (change->why[0] == '\0' || store_save_decision(store, change->why));
    return good ? QUEUE_OK : QUEUE_FAULT;
}
