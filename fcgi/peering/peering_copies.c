/* Tells the first of the peers what changes here, in the order of the changes: one message at a
 * time, the next when it is acknowledged. */

#include "clock.h"
#include "peer_json.h"
#include "peering_parts.h"

enum {
    COPIES_TIMEOUT_MS = 5000,
    GATHER_MS = 20,        /* with COPY=async, from one message that was not full to the next */
    CHANGE_WAIT_MS = 30000 /* then the wait for a change is begun anew */
};

static const char what[] = "telling it of items";

/* Has the queue note what the peer has acknowledged. False when it is to be tried again. */
static bool tell_queue(struct peering *peering, int64_t complete) {
    struct copying_state *copying = &peering->copying;
    if (complete <= copying->told)
        return true;
    child_busy();
    if (queue_told(peering->queue, peering->links[0].peer->node, complete) != QUEUE_OK)
        return false;
    copying->told = complete;
    return true;
}

/* Waits for the next change. */
static void wait_for_change(struct peering *peering) {
    struct copying_state *copying = &peering->copying;
    if (copying->complete > copying->seen)
        copying->seen = copying->complete;
    copying->ticket = queue_start_change(peering->watch, copying->seen, CHANGE_WAIT_MS);
}

static void take_acknowledgement(void *context, const struct http_reply *reply) {
    struct link *link = context;
    struct peering *peering = link->peering;
    struct copying_state *copying = &peering->copying;
    char why[300] = "status 200";
    child_busy();
    copying->sending = false;
    if (reply->status != 204) {
        peering_read_reply(link, reply, why, sizeof why);
        peering_fare_badly(link, &copying->fare, what, why);
        return;
    }
    peering_fare_well(link, &copying->fare, what);
    copying->place = copying->next;
    if (peering->conf->copying == COPY_ASYNC && copying->copies.count < QUEUE_COPIES_MAX)
        copying->gather_until_ms = clock_steady_ms() + GATHER_MS;
    tell_queue(peering, copying->complete); /* if it fails, a later one does */
    peering_copies_turn(peering);
}

static void send_copies(struct peering *peering) {
    struct copying_state *copying = &peering->copying;
    struct link *link = &peering->links[0];
    peer_json_put_items(peering_begin(peering), &copying->copies);
    copying->sending = true;
    peering_post(link, "/peer/copies", COPIES_TIMEOUT_MS, take_acknowledgement, link);
}

/* Takes the answer to the wait for a change. */
static void take_change(struct peering *peering) {
    struct copying_state *copying = &peering->copying;
    struct queue_answer answer;
    while (queue_next(peering->watch, &answer)) {
        if (answer.ticket != copying->ticket)
            continue;
        copying->ticket = 0;
        if (answer.result == QUEUE_OK && answer.number > copying->seen)
            copying->seen = answer.number;
    }
}

/* Goes on from where the peer was told of everything. False when that is not known yet. */
static bool begin(struct peering *peering) {
    struct copying_state *copying = &peering->copying;
    if (!peering->known || peering->peers.count == 0)
        return false;
    copying->told = peering->peers.peers[0].told;
    copying->place = (struct queue_place){.change = copying->told, .seq = INT64_MAX};
    copying->begun = true;
    return true;
}

void peering_copies_turn(struct peering *peering) {
    struct copying_state *copying = &peering->copying;
    if (peering->conf->copying == COPY_NONE || (!copying->begun && !begin(peering)))
        return;
    take_change(peering);
    if (peering->stopping || copying->sending || copying->ticket != 0 ||
        peering_is_away(peering->links) || copying->fare.not_before_ms > clock_steady_ms() ||
        copying->gather_until_ms > clock_steady_ms())
        return;
    copying->next = copying->place;
    if (queue_changed(peering->queue, &copying->next, &copying->complete, &copying->copies) !=
        QUEUE_OK)
        return;
    if (copying->copies.count > 0)
        send_copies(peering);
    else if (tell_queue(peering, copying->complete))
        wait_for_change(peering);
}
