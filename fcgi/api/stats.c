/* GET /stats: the state of a node. */

#include <stdio.h>

#include "api.h"
#include "base/refusals.h"
#include "http/problem.h"
#include "queue/fields.h"
#include "stats_certificates.h"
#include "stats_fleet.h"
#include "stats_peers.h"

/* "rates": for each span, items and iterations a second. */
static void put_rates(struct buffer *body, const struct queue_tally *tally) {
    json_name(body, "rates");
    json_open(body, '{');
    for (int span = 0; span < QUEUE_SPANS; span++) {
        char name[16];
        const struct queue_work *work = &tally->work[span];
        double seconds = queue_span_seconds[span];
        snprintf(name, sizeof name, "%ds", queue_span_seconds[span]);
        json_name(body, name);
        json_open(body, '{');
        json_name(body, "enqueued");
        json_put_number(body, (double)work->enqueued / seconds);
        json_name(body, "done");
        json_put_number(body, (double)work->done / seconds);
        json_name(body, "pulled");
        json_put_number(body, (double)work->pulled / seconds);
        json_name(body, "iterations");
        json_put_number(body, (double)work->iterations / seconds);
        json_close(body, '}');
    }
    json_close(body, '}');
}

static void reply_tally(struct reply *reply, const struct conf *conf,
                        const struct queue_tally *tally, const struct queue_fleet *fleet,
                        const struct queue_peers *peers) {
    struct buffer *body = &reply->body;
    reply_begin(reply, 200, "application/json");
    json_open(body, '{');
    json_name(body, "version");
    json_put_string(body, HASHMILL_VERSION);
    fields_put_integer(body, "node", conf->node);
    json_name(body, "items");
    json_open(body, '{');
    for (int state = 0; state < ITEM_STATES; state++)
        fields_put_integer(body, item_state_name((enum item_state)state), tally->items[state]);
    json_close(body, '}');
    fields_put_integer(body, "remaining", tally->remaining);
    json_name(body, "oldest_wait_seconds");
    json_put_number(body, (double)tally->oldest_wait_ms / 1000);
    fields_put_integer(body, "workers", tally->workers);
    fields_put_integer(body, "parked", tally->parked);
    fields_put_integer(body, "refused", refusals_count());
    put_rates(body, tally);
    stats_put_fleet(body, conf, fleet);
    stats_put_peers(body, conf, tally, peers);
    stats_put_certificates(body, conf);
    json_close(body, '}');
}

void api_stats(struct call *call) {
    static struct queue_fleet fleet; /* too large for the stack */
    static struct queue_peers peers;
    struct queue_tally tally;
    const struct conf *conf = call->server->conf;
    struct queue *queue = call->server->queue;
    enum queue_result result = queue_tally(queue, &tally);
    if (result == QUEUE_OK)
        result = stats_read_fleet(queue, conf, &tally, &fleet);
    if (result == QUEUE_OK)
        result = stats_read_peers(queue, conf, &peers);
    if (result == QUEUE_OK)
        reply_tally(&call->server->reply, conf, &tally, &fleet, &peers);
    else
        problem_of_read(&call->server->reply, result);
}
