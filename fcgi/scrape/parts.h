#ifndef HASHMILL_SCRAPE_PARTS_H
#define HASHMILL_SCRAPE_PARTS_H

/* Shared by the files of GET /metrics: scrape.c (the call), gauges.c and counters.c. */

#include "base/conf.h"
#include "buffer.h"
#include "http/router.h"
#include "queue/queue_fleet.h"
#include "queue/queue_operators.h"
#include "queue/queue_peers.h"

/* What is known of the node at one moment; each part only if it could be read. */
struct scrape_view {
    const struct conf *conf;
    bool has_tally; /* the writer has answered */
    bool has_peers;
    bool has_fleet;
    bool has_clients;
    struct queue_tally tally;
    struct queue_peers peers;
    struct queue_fleet fleet;
    struct queue_clients clients;
};

/* Appends the gauges; one without a sample is left out. */
void scrape_put_gauges(struct buffer *text, const struct scrape_view *view);

/* Appends the counters and histograms. The tables of routes are ended by NULL. */
void scrape_put_counters(struct buffer *text, const struct route *const *tables);

#endif
