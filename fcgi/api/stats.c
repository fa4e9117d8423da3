/* GET /stats: the state of a node; GET /stats/history: what it has done. */

#include <stdio.h>

#include "api.h"
#include "base/keys.h"
#include "base/refusals.h"
#include "clock.h"
#include "http/problem.h"
#include "queue/fields.h"
#include "stats/certificates.h"
#include "stats/fleet.h"
#include "stats/history.h"
#include "stats/peers.h"
#include "stats/progress.h"
#include "stats/warnings.h"

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

static void put_items(struct buffer *body, const struct queue_tally *tally) {
    json_name(body, "items");
    json_open(body, '{');
    for (int state = 0; state < ITEM_STATES; state++)
        fields_put_integer(body, item_state_name((enum item_state)state), tally->items[state]);
    json_close(body, '}');
    fields_put_integer(body, "remaining", tally->remaining);
}

/* "backup": when the last one was made; null if none was. */
static void put_backup(struct buffer *body, int64_t wall_ms) {
    json_name(body, "backup");
    json_open(body, '{');
    if (wall_ms > 0) {
        fields_put_time(body, "last_at", wall_ms);
    } else {
        json_name(body, "last_at");
        json_put_null(body);
    }
    json_close(body, '}');
}

/* Begins the reply: which node answers, and in what role it sees who asks. */
static void begin(struct call *call) {
    const struct key *key = call->identity.key;
    struct buffer *body = &call->server->reply.body;
    reply_begin(&call->server->reply, 200, "application/json");
    json_open(body, '{');
    json_name(body, "version");
    json_put_string(body, HASHMILL_VERSION);
    fields_put_integer(body, "node", call->server->conf->node);
    json_name(body, "role");
    json_put_string(body, key ? key_role_name(key->role) : "everybody");
}

static void reply_tally(struct call *call, const struct queue_tally *tally,
                        const struct queue_fleet *fleet, const struct queue_peers *peers) {
    const struct conf *conf = call->server->conf;
    struct buffer *body = &call->server->reply.body;
    begin(call);
    fields_put_time(body, "now", clock_wall_ms());
    stats_put_warnings(body, conf, tally, fleet, peers);
    put_items(body, tally);
    json_name(body, "oldest_wait_seconds");
    json_put_number(body, (double)tally->oldest_wait_ms / 1000);
    fields_put_integer(body, "workers", tally->workers);
    fields_put_integer(body, "parked", tally->parked);
    fields_put_integer(body, "refused", refusals_count());
    api_put_paused(body, tally->paused);
    put_rates(body, tally);
    stats_put_eta(body, conf, call->server->queue);
    stats_put_fleet(body, conf, fleet);
    stats_put_peers(body, conf, tally, peers);
    stats_put_certificates(body, conf);
    put_backup(body, tally->backed_up_wall_ms);
    json_close(body, '}');
}

/* "quota": what the client's key says; null where it says nothing. */
static void put_quota(struct buffer *body, const struct key *key) {
    const struct {
        const char *name;
        int64_t value;
    } quotas[] = {{"items", key->items},
                  {"work", key->work},
                  {"rate", key->rate},
                  {"burst", key->burst},
                  {"iterations_max", key->iterations_max}};
    json_name(body, "quota");
    json_open(body, '{');
    for (size_t i = 0; i < sizeof quotas / sizeof *quotas; i++) {
        json_name(body, quotas[i].name);
        if (quotas[i].value > 0)
            json_put_integer(body, quotas[i].value);
        else
            buffer_puts(body, "null");
    }
    json_close(body, '}');
}

/* What a client sees: its own, and nothing of the node's machines. */
static void reply_own(struct call *call, const struct queue_tally *tally) {
    const struct key *key = call->identity.key;
    struct buffer *body = &call->server->reply.body;
    begin(call);
    json_name(body, "client");
    json_put_string(body, key->name);
    put_items(body, tally);
    put_rates(body, tally);
    fields_put_integer(body, "weight", key->weight);
    put_quota(body, key);
    json_close(body, '}');
}

void api_stats(struct call *call) {
    static struct queue_fleet fleet; /* too large for the stack */
    static struct queue_peers peers;
    struct queue_tally tally;
    const struct conf *conf = call->server->conf;
    struct queue *queue = call->server->queue;
    enum queue_result result = queue_tally(queue, &call->whose, &tally);
    if (result == QUEUE_OK && !call->whose.all) {
        reply_own(call, &tally);
        return;
    }
    if (result == QUEUE_OK)
        result = stats_read_fleet(queue, conf, &tally, &fleet);
    if (result == QUEUE_OK)
        result = stats_read_peers(queue, conf, &peers);
    if (result == QUEUE_OK)
        reply_tally(call, &tally, &fleet, &peers);
    else
        problem_of_read(&call->server->reply, result);
}

void api_stats_history(struct call *call) {
    static struct queue_history history; /* too large for the stack */
    struct reply *reply = &call->server->reply;
    const char *given = query_text(&call->query, "span");
    const char *span = given ? given : "1h";
    if (!stats_set_span(&history, span, clock_wall_ms())) {
        problem_reply(reply, PROBLEM_BAD_PARAMETER,
                      "span must be " STATS_SPANS "; without it the span is 1h.");
        return;
    }
    enum queue_result result = queue_history(call->server->queue, &history);
    if (result != QUEUE_OK) {
        problem_of_read(reply, result);
        return;
    }
    reply_begin(reply, 200, "application/json");
    stats_put_history(&reply->body, span, &history);
}
