/* What is known of the peer: what the queue has saved, and when the peer answered last. */

#include "clock.h"
#include "peering_parts.h"

bool peering_look(struct peering *peering) {
    static struct queue_peers peers; /* too large for the stack */
    if (queue_peers(peering->queue, &peers) != QUEUE_OK)
        return false;
    peering->peers = peers;
    peering->known = true;
    return true;
}

void peering_heard(struct peering *peering) {
    peering->heard_ms = clock_steady_ms();
}

bool peering_is_away(const struct peering *peering) {
    return clock_steady_ms() - peering->heard_ms >= PEER_AWAY_MS;
}
