#include "scrape.h"

#include "api/api.h"
#include "clock.h"
#include "parts.h"
#include "stats/fleet.h"

static void scrape(struct call *call);

const struct route scrape_routes[] = {
    {CALLER_MONITOR, "GET", "/metrics", {NULL}, false, 0, scrape, NULL},
    {.method = NULL},
};

/* What processes serve. */
static const struct route *const tables[] = {api_routes, replica_routes, scrape_routes, NULL};

static int length_of(const struct route *routes) {
    int length = 0;
    while (routes[length].method)
        length++;
    return length;
}

int scrape_first_route(const struct route *routes) {
    int number = 0;
    for (int i = 0; tables[i] && tables[i] != routes; i++)
        number += length_of(tables[i]);
    return number;
}

int scrape_route_count(void) {
    return scrape_first_route(NULL);
}

/* Asks the writer; not again for a while after it has not answered, or one scrape would wait behind
 * the other. */
static bool read_tally(struct queue *queue, struct queue_tally *tally) {
    enum { PAUSE_MS = 1000 };
    static int64_t next_ms; /* by the steady clock */
    if (clock_steady_ms() < next_ms)
        return false;
    if (queue_tally(queue, &queue_everybodys, tally) == QUEUE_OK)
        return true;
    next_ms = clock_steady_ms() + PAUSE_MS;
    return false;
}

/* Reads what can be read, the durable state first: it is there while the writer is away, too. */
static void look(struct queue *queue, const struct conf *conf, struct scrape_view *view) {
    view->conf = conf;
    view->has_peers = queue_peers(queue, &view->peers) == QUEUE_OK;
    view->has_tally = read_tally(queue, &view->tally);
    if (!view->has_tally)
        view->tally.clock_ms = view->peers.clock_ms;
    view->has_fleet = (view->has_tally || view->has_peers) &&
                      stats_read_fleet(queue, conf, &view->tally, &view->fleet) == QUEUE_OK;
    view->has_clients =
        conf_tells_clients(conf) && queue_clients(queue, &view->clients) == QUEUE_OK;
}

static void scrape(struct call *call) {
    static struct scrape_view view; /* too large for the stack */
    struct server *server = call->server;
    look(server->queue, server->conf, &view);
    reply_begin(&server->reply, 200, "text/plain; version=0.0.4; charset=utf-8");
    scrape_put_gauges(&server->reply.body, &view);
    scrape_put_counters(&server->reply.body, tables);
}
