/* The registry: machines that this node launches. */

#include "store_sql.h"

static bool save_machine(struct store *store, const struct queue_machine_update *update) {
    return store_run(store, SQL_MACHINE_UPDATE, "ttiiii", update->name, update->id,
                     (int64_t)update->state, store_now_ms(store), store->wall_ms,
                     update->launched_ago_ms) &&
           (update->state != MACHINE_GONE || store_run(store, SQL_MACHINE_PRUNE, ""));
}

enum queue_result store_update_machine(struct store *store,
                                       const struct queue_machine_update *update) {
    if (update->name[0] != '\0' && update->state == MACHINE_LAUNCHING) {
        enum queue_result result = store_may_launch(store, update->name);
        if (result != QUEUE_OK)
            return result;
    }
    bool good = (update->name[0] == '\0' || save_machine(store, update)) &&
                (update->why[0] == '\0' || store_save_decision(store, update->why));
    return good ? QUEUE_OK : QUEUE_FAULT;
}
