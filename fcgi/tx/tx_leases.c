/* The rows of leases of one batch. They are few: those of the leases that were asked for, and those
 * that are due. */

#include "tx_leases.h"

#include <string.h>

struct tx_lease *tx_leases_find(struct tx_leases *leases, const struct uuid *id) {
    for (int i = 0; i < leases->count; i++) {
        if (memcmp(leases->list[i].id.bytes, id->bytes, ID_SIZE) == 0)
            return &leases->list[i];
    }
    return NULL;
}

struct tx_lease *tx_leases_read(struct tx_leases *leases, const struct uuid *id, int64_t due_ms,
                                int64_t worker) {
    struct tx_lease *lease = tx_leases_find(leases, id);
    if (lease || leases->count == TX_LEASES_MAX)
        return lease;
    lease = &leases->list[leases->count++];
    *lease = (struct tx_lease){.id = *id, .due_ms = due_ms, .worker = worker};
    return lease;
}

void tx_lease_set_due(struct tx_lease *lease, int64_t due_ms) {
    lease->is_over = due_ms == INT64_MAX;
    lease->is_later = !lease->is_over;
    lease->due_ms = due_ms;
}
