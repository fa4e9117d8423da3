#include "peers.h"

#include <string.h>

#include "queue/fields.h"

enum queue_result stats_read_peers(struct queue *queue, const struct conf *conf,
                                   struct queue_peers *peers) {
    return conf->has_peer ? queue_peers(queue, peers) : QUEUE_OK;
}

/* The state of the replica of this node's queue at the peer. */
static void put_replica(struct buffer *body, const struct queue_copying *copying,
                        const struct queue_peers *peers) {
    static const char *const names[] = {[COPY_UNKNOWN] = "unknown",
                                        [COPY_MISSING] = "none",
                                        [COPY_COPYING] = "copying",
                                        [COPY_FOLLOWING] = "following",
                                        [COPY_SUPERSEDED] = "none"};
    const char *name = names[copying->state];
    json_name(body, "replica");
    json_put_plain(body, name, strlen(name));
    if (copying->known) {
        json_name(body, "behind");
        json_open(body, '{');
        fields_put_integer(body, "batches", copying->batches);
        json_name(body, "seconds");
        json_put_number(body, (double)copying->behind_ms / 1000);
        json_close(body, '}');
    }
    if (peers->incomplete_wall_ms > 0)
        fields_put_time(body, "incomplete_since", peers->incomplete_wall_ms);
}

static void put_peer(struct buffer *body, const struct conf *conf,
                     const struct queue_copying *copying, const struct queue_peers *peers) {
    json_open(body, '{');
    fields_put_integer(body, "node", conf->peer.node);
    json_name(body, "away");
    json_put_boolean(body, copying->away != 0);
    if (copying->heard_ms >= 0) { /* else no contact */
        json_name(body, "heard_seconds");
        json_put_number(body, (double)copying->heard_ms / 1000);
    }
    if (conf->copying != COPY_NONE)
        put_replica(body, copying, peers);
    json_close(body, '}');
}

int stats_loans(const struct queue_peers *peers, enum loan_side side) {
    int count = 0;
    for (int i = 0; i < peers->loan_count; i++)
        count += peers->loans[i].state != LOAN_WANTED && peers->loans[i].side == (int32_t)side;
    return count;
}

static void put_loans(struct buffer *body, const struct queue_peers *peers) {
    json_name(body, "loans");
    json_open(body, '{');
    fields_put_integer(body, "taken", stats_loans(peers, LOAN_TAKEN));
    fields_put_integer(body, "given", stats_loans(peers, LOAN_GIVEN));
    json_close(body, '}');
}

void stats_put_peers(struct buffer *body, const struct conf *conf, const struct queue_tally *tally,
                     const struct queue_peers *peers) {
    if (!conf->has_peer)
        return;
    json_name(body, "peers");
    json_open(body, '[');
    put_peer(body, conf, &tally->copying, peers);
    json_close(body, ']');
    fields_put_integer(body, "set_aside", peers->reserved_items);
    put_loans(body, peers);
}
