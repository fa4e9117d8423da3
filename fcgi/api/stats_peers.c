#include "stats_peers.h"

#include "queue/fields.h"

enum queue_result stats_read_peers(struct queue *queue, const struct conf *conf,
                                   struct queue_peers *peers) {
    return conf->peer_count > 0 ? queue_peers(queue, peers) : QUEUE_OK;
}

static void put_peer(struct buffer *body, const struct queue_peer *peer, int64_t clock_ms) {
    json_open(body, '{');
    fields_put_integer(body, "node", peer->node);
    json_name(body, "away");
    json_put_boolean(body, peer->away != 0);
    if (peer->heard_ms >= 0) { /* else never */
        int64_t ago_ms = clock_ms - peer->heard_ms;
        json_name(body, "heard_seconds");
        json_put_number(body, ago_ms > 0 ? (double)ago_ms / 1000 : 0);
    }
    json_name(body, "kept");
    json_open(body, '{');
    fields_put_integer(body, "waiting", peer->kept_waiting);
    fields_put_integer(body, "done", peer->kept_done);
    json_close(body, '}');
}

static void put_loans(struct buffer *body, const struct queue_peers *peers) {
    int count[] = {[LOAN_TAKEN] = 0, [LOAN_GIVEN] = 0};
    for (int i = 0; i < peers->loan_count; i++) {
        if (peers->loans[i].state != LOAN_WANTED)
            count[peers->loans[i].side == LOAN_GIVEN ? LOAN_GIVEN : LOAN_TAKEN]++;
    }
    json_name(body, "loans");
    json_open(body, '{');
    fields_put_integer(body, "taken", count[LOAN_TAKEN]);
    fields_put_integer(body, "given", count[LOAN_GIVEN]);
    json_close(body, '}');
}

void stats_put_peers(struct buffer *body, const struct conf *conf, const struct queue_tally *tally,
                     const struct queue_peers *peers) {
    if (conf->peer_count == 0)
        return;
    json_name(body, "peers");
    json_open(body, '[');
    for (int i = 0; i < peers->count; i++) {
        put_peer(body, &peers->peers[i], tally->clock_ms);
        if (i == 0 && conf->copying != COPY_NONE)
            fields_put_integer(body, "behind", peers->change - peers->peers[i].told);
        json_close(body, '}');
    }
    json_close(body, ']');
    put_loans(body, peers);
    fields_put_integer(body, "faults", peers->faults);
}
