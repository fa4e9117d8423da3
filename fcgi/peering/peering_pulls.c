/* Asks the peer for the fate of its pulls that have items set aside here, once a second while there
 * are any. */

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "peer_json.h"
#include "peering_parts.h"
#include "queue/fields.h"

enum {
    SETTLE_MS = 1000,
    SETTLE_TIMEOUT_MS = 5000,
    SAFE_MS = 500 /* how long to wait until the replica has the settlement */
};

static const char what[] = "asking it for its pulls";

static bool read_fate(const struct json *json, int token, struct queue_fate *fate) {
    static const char *const names[] = {
        [PULL_UNKNOWN] = "unknown", [PULL_IS_OPEN] = "open", [PULL_IS_CLOSED] = "closed"};
    char state[12];
    int64_t rest;
    if (!json_string(json, json_member(json, token, "state"), state, sizeof state) ||
        !json_integer(json, json_member(json, token, "rest"), 0, QUEUE_PULL_MAX, &rest))
        return false;
    for (int i = PULL_UNKNOWN; i <= PULL_IS_CLOSED; i++) {
        *fate = (struct queue_fate){.fate = i, .rest = (int32_t)rest};
        if (strcmp(names[i], state) == 0)
            return true;
    }
    return false;
}

/* Settles each pull of the request, in its order. False with the reason. */
static bool settle_all(struct peering *peering, char *why, size_t why_size) {
    const struct json *json = &peering->json;
    int array = json_member(json, 0, "pulls");
    int64_t epoch;
    if (!json_integer(json, json_member(json, 0, "epoch"), 0, INT64_MAX, &epoch) ||
        json_array_size(json, array) != peering->settling_count) {
        snprintf(why, why_size, "it does not say what has become of each");
        return false;
    }
    int token = json_first(json, array);
    for (int i = 0; i < peering->settling_count; i++) {
        const struct queue_reservation *reservation = &peering->settling_what[i];
        struct queue_settle settle = {
            .known = reservation->settled, .node = reservation->node, .epoch = epoch};
        memcpy(settle.tag, reservation->tag, PULL_TAG_SIZE);
        if (!read_fate(json, token, &settle.fate)) {
            snprintf(why, why_size, "it says nothing known of a pull");
            return false;
        }
        child_busy();
        if (queue_settle(peering->queue, &settle) != QUEUE_OK)
            return true; /* the next request comes soon */
        token = json_next(json, token);
    }
    return true;
}

static void take_fates(void *context, const struct http_reply *reply) {
    struct peering *peering = context;
    char why[300];
    peering->settling_sent = false;
    if (peering_read_reply(peering, reply, why, sizeof why) && settle_all(peering, why, sizeof why))
        peering_succeeded(peering, &peering->settling, what);
    else
        peering_failed(peering, &peering->settling, what, why);
}

/* Whether the peer may forget its pulls that were settled here: with COPY=sync only when the
 * replica has the settlement, so that it cannot get lost with this database. */
static bool is_safe(const struct peering *peering) {
    const struct stream *stream = &peering->stream;
    return peering->conf->copying != COPY_SYNC ||
           (stream->proven && stream->acked >= peering->peers.batch);
}

void peering_pulls_turn(struct peering *peering) {
    const struct queue_peers *peers = &peering->peers;
    int64_t now = clock_steady_ms();
    if (peering->settling_sent || !peering_may_call(peering, &peering->settling) ||
        peers->reservation_count == 0 || peering->next_settle_ms > now)
        return;
    bool safe = is_safe(peering);
    if (!safe && now < peering->next_settle_ms + SAFE_MS)
        return; /* the replica will have the settlement in a moment */
    struct buffer *body = peering_begin(peering);
    json_name(body, "pulls");
    json_open(body, '[');
    for (int i = 0; i < peers->reservation_count; i++) {
        struct queue_reservation *reservation = &peering->settling_what[i];
        *reservation = peers->reservations[i];
        reservation->settled &= safe;
        json_open(body, '{');
        peer_json_put_tag(body, reservation->tag);
        json_name(body, "settled");
        json_put_boolean(body, reservation->settled != 0);
        json_close(body, '}');
    }
    json_close(body, ']');
    peering->settling_count = peers->reservation_count;
    peering->settling_sent = true;
    peering->next_settle_ms = now + SETTLE_MS;
    peering_post(peering, "/peer/pulls", SETTLE_TIMEOUT_MS, take_fates, peering);
}
