/* Forwards requests of the other processes to the peer: looks, cancels, counts, polls,
 * lists and reservations. */

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "clock.h"
#include "fnv.h"
#include "log.h"
#include "peer_json.h"
#include "peering_parts.h"
#include "queue/fields.h"

enum {
    ROUND_MS = 50,      /* that an answer may come late, rather than a second early */
    LOOKS_MAX = 64,     /* parked at the peer at once: its workers' leases need places, too */
    ASKS_MAX = 64,      /* looks, cancels and lists besides, at once */
    BURST_US = 1000000, /* PEER_LOOKS of a second may come at once */
    MISS_MS = 1000
};

void peering_forward_end(struct peering *peering, struct forward *forward) {
    struct poll *poll = forward->poll;
    if (poll)
        poll->asked = false;
    if (poll && forward->call)
        poll->until_ms = 0; /* its answer will not be known */
    if (forward->call)
        http_abort(peering->http, forward->call);
    peering->looks -= forward->parked;
    peering->asks -= forward->asks;
    TAILQ_REMOVE(&peering->forwards, forward, all);
    TAILQ_INSERT_TAIL(&peering->ended, forward, all);
}

void peering_forwards_free(struct peering *peering) {
    struct forward *forward;
    while ((forward = TAILQ_FIRST(&peering->ended)) != NULL) {
        TAILQ_REMOVE(&peering->ended, forward, all);
        free(forward);
    }
}

/* Sends the answer, whose body is in peering->answer, and ends the request. */
static void answer(struct peering *peering, struct forward *forward, enum queue_result result) {
    struct connection *connection = forward->connection;
    struct peer_message *message = &peering->answer;
    message->version = PEER_CLIENT_VERSION;
    message->result = (int32_t)result;
    message->ticket = forward->ticket;
    message->request = forward->request;
    peering_forward_end(peering, forward);
    if (!peer_message_send(connection->fd, message))
        shutdown(connection->fd,
                 SHUT_RDWR); /* the process does not fetch its answers; its end will be an event */
}

/* --- Replies --- */

/* The place of an item among the misses. The end of an id is random. */
static struct miss *miss_of(struct peering *peering, const struct uuid *id) {
    uint16_t random;
    memcpy(&random, id->bytes + ID_SIZE - sizeof random, sizeof random);
    return &peering->misses[random % MISSES];
}

/* Whether the peer said lately that this caller has no such item there. */
static bool is_missing(struct peering *peering, const struct peer_request *request) {
    const struct miss *miss = miss_of(peering, &request->id);
    return miss->until_ms > clock_steady_ms() &&
           memcmp(&miss->id, &request->id, sizeof miss->id) == 0 &&
           queue_whose_equal(&miss->whose, &request->whose);
}

/* The place of a client among the polls. */
static struct poll *poll_of(struct peering *peering, const char *client) {
    uint32_t hash = 0;
    for (; *client != '\0'; client++)
        hash = 31 * hash + (unsigned char)*client;
    return &peering->polls[hash % POLLS];
}

static void complain(const struct forward *forward, const char *what, const char *why) {
    log_set_request(forward->request.part_of.id);
    log_debug("node %d: %s failed: %s", forward->connection->peering->conf->peer.node, what, why);
    log_set_request(NULL);
}

static void warn_of(const struct forward *forward, const struct peer_fault *fault) {
    log_set_request(forward->request.part_of.id);
    log_warn("node %d: in its item %s is not %s", forward->connection->peering->conf->peer.node,
             fault->field, fault->rule);
    log_set_request(NULL);
}

static void take_look(void *context, const struct http_reply *reply) {
    struct forward *forward = context;
    struct peering *peering = forward->connection->peering;
    const struct json *json = &peering->json;
    struct peer_fault fault = {0};
    char why[300];
    enum queue_result result = QUEUE_DOWN;
    forward->call = NULL;
    if (peering_read_reply(peering, reply, why, sizeof why)) {
        bool good = peer_json_read_item(json, json_member(json, 0, "item"),
                                        &peering->answer.is.item, &fault);
        if (!good)
            warn_of(forward, &fault);
        result = good ? QUEUE_OK : QUEUE_DOWN;
    } else if (peering_is_problem(peering, reply, 404, "not-found")) {
        result = QUEUE_NONE;
        *miss_of(peering, &forward->request.id) =
            (struct miss){.id = forward->request.id,
                          .whose = forward->request.whose,
                          .until_ms = clock_steady_ms() + MISS_MS};
    } else {
        complain(forward, "a look", why);
    }
    answer(peering, forward, result);
}

static void take_cancel(void *context, const struct http_reply *reply) {
    struct forward *forward = context;
    struct peering *peering = forward->connection->peering;
    enum queue_result result = QUEUE_DOWN;
    child_busy();
    forward->call = NULL;
    if (reply->status == 204)
        result = QUEUE_OK;
    else if (peering_is_problem(peering, reply, 404, "not-found"))
        result = QUEUE_NONE;
    else if (peering_is_problem(peering, reply, 409, "already-done"))
        result = QUEUE_CONFLICT;
    answer(peering, forward, result);
}

static bool read_count(struct forward *forward, const struct http_reply *reply, int64_t *count) {
    struct peering *peering = forward->connection->peering;
    const struct json *json = &peering->json;
    char why[300] = "it does not say how many it has";
    bool good = peering_read_reply(peering, reply, why, sizeof why) &&
                json_integer(json, json_member(json, 0, "done"), 0, INT64_MAX, count);
    if (!good)
        complain(forward, "counting done items", why);
    return good;
}

static void take_count(void *context, const struct http_reply *reply) {
    struct forward *forward = context;
    struct peering *peering = forward->connection->peering;
    forward->call = NULL;
    bool good = read_count(forward, reply, &peering->answer.is.number);
    answer(peering, forward, good ? QUEUE_OK : QUEUE_DOWN);
}

/* Answers a poll: 0, there are items for its pull; else when it may ask again. */
static void answer_poll(struct peering *peering, struct forward *forward, int64_t again_ms) {
    peering->answer.is.number = again_ms;
    answer(peering, forward, QUEUE_OK);
}

/* Answers all polls of the client that are here: as many as there are items get one, the oldest
 * first, and the others ask again. */
static void take_poll(void *context, const struct http_reply *reply) {
    struct forward *forward = context;
    struct peering *peering = forward->connection->peering;
    struct poll *poll = forward->poll;
    int64_t left_ms = poll->until_ms - clock_steady_ms();
    int64_t again_ms = left_ms > 0 ? left_ms : 1;
    int64_t count = 0;
    forward->call = NULL;
    if (read_count(forward, reply, &count) && count > 0)
        poll->until_ms = 0; /* who pulls them finds out how many are left */
    struct forward *one = TAILQ_FIRST(&peering->forwards);
    while (one) {
        struct forward *next = TAILQ_NEXT(one, all);
        if (one->request.kind == PEER_POLL && strcmp(one->request.whose.client, poll->client) == 0)
            answer_poll(peering, one, count-- > 0 ? 0 : again_ms);
        one = next;
    }
}

static void take_reserve(void *context, const struct http_reply *reply) {
    struct forward *forward = context;
    struct peering *peering = forward->connection->peering;
    const struct json *json = &peering->json;
    struct queue_batch *batch = &peering->answer.is.batch;
    struct peer_fault fault = {0};
    char why[300] = "it says something else than for how many days it keeps items";
    int64_t days = peering->conf->pulled_days; /* if the peer does not say */
    int index;
    forward->call = NULL;
    bool good = peering_read_reply(peering, reply, why, sizeof why);
    int kept = good ? json_member(json, 0, "kept_days") : -1;
    good = good && (kept < 0 || json_integer(json, kept, 0, CONF_KEPT_DAYS_MAX, &days));
    if (!good)
        complain(forward, "setting items aside", why);
    memset(batch, 0, offsetof(struct queue_batch, items));
    batch->kept_days = (int32_t)days;
    if (good && !peer_json_read_items(json, json_member(json, 0, "items"), forward->request.top,
                                      batch, &index, &fault)) {
        warn_of(forward, &fault);
        good = false;
    }
    answer(peering, forward, good ? QUEUE_OK : QUEUE_DOWN);
}

static void take_list(void *context, const struct http_reply *reply) {
    struct forward *forward = context;
    struct peering *peering = forward->connection->peering;
    struct peer_fault fault = {0};
    char why[300];
    forward->call = NULL;
    bool good = peering_read_reply(peering, reply, why, sizeof why);
    if (!good) {
        complain(forward, "a list", why);
    } else if (!peer_json_read_page(&peering->json, 0, &forward->request.list,
                                    &peering->answer.is.page, &fault)) {
        warn_of(forward, &fault);
        good = false;
    }
    answer(peering, forward, good ? QUEUE_OK : QUEUE_DOWN);
}

/* --- Requests --- */

/* Says whose items the request is about, no client for those of all; and whether this node knows by
 * a key who asks. */
static void put_whose(struct peering *peering, const struct queue_whose *whose) {
    struct buffer *body = &peering->body;
    if (peering->conf->keys) {
        json_name(body, "keys");
        json_put_boolean(body, true);
    }
    if (whose->all)
        return;
    json_name(body, "client");
    json_put_string(body, whose->client);
}

static struct http_call *forward_look(struct forward *forward, int64_t wait_ms) {
    struct peering *peering = forward->connection->peering;
    struct buffer *body = peering_begin(peering);
    fields_put_id(body, "id", forward->request.id);
    fields_put_integer(body, "wait", (wait_ms + ROUND_MS) / 1000);
    put_whose(peering, &forward->request.whose);
    return peering_post(peering, "/peer/look", wait_ms + peering->conf->peer_ms, take_look,
                        forward);
}

static struct http_call *forward_cancel(struct forward *forward) {
    struct peering *peering = forward->connection->peering;
    struct buffer *body = peering_begin(peering);
    fields_put_id(body, "id", forward->request.id);
    put_whose(peering, &forward->request.whose);
    if (forward->request.who[0] != '\0') {
        json_name(body, "operator");
        json_put_string(body, forward->request.who);
    }
    return peering_post(peering, "/peer/cancel", peering->conf->peer_ms, take_cancel, forward);
}

/* The same question for a pull that is in hand, and for those that wait. */
static struct http_call *forward_count(struct forward *forward, http_done *done) {
    struct peering *peering = forward->connection->peering;
    peering_begin(peering);
    put_whose(peering, &forward->request.whose);
    return peering_post(peering, "/peer/done", peering->conf->peer_ms, done, forward);
}

static struct http_call *forward_reserve(struct forward *forward) {
    struct peering *peering = forward->connection->peering;
    const struct peer_request *request = &forward->request;
    const char *order = request->oldest ? "oldest" : "latest";
    struct buffer *body = peering_begin(peering);
    peer_json_put_tag(body, request->tag);
    fields_put_id(body, "database", peering->peers.identity.database);
    fields_put_integer(body, "epoch", peering->peers.identity.epoch);
    fields_put_integer(body, "top", request->top);
    json_name(body, "order");
    json_put_plain(body, order, strlen(order));
    json_name(body, "again");
    json_put_boolean(body, request->again != 0);
    put_whose(peering, &request->whose);
    return peering_post(peering, "/peer/reserve", peering->conf->peer_ms, take_reserve, forward);
}

static struct http_call *forward_list(struct forward *forward) {
    struct peering *peering = forward->connection->peering;
    const struct queue_list *list = &forward->request.list;
    struct buffer *body = peering_begin(peering);
    put_whose(peering, &list->whose);
    if (list->state >= 0) {
        const char *state = item_state_name((enum item_state)list->state);
        json_name(body, "state");
        json_put_plain(body, state, strlen(state));
    }
    if (list->has_after)
        fields_put_id(body, "after", list->after);
    fields_put_integer(body, "limit", list->limit);
    return peering_post(peering, "/peer/list", peering->conf->peer_ms, take_list, forward);
}

/* Whether one more may be sent now, of this many a second and BURST_US of them at once; *next_us is
 * the steady time from which on they are kept. Takes nothing. */
static bool is_time(int64_t *next_us, int64_t now_us) {
    if (*next_us < now_us - BURST_US)
        *next_us = now_us - BURST_US;
    return *next_us <= now_us;
}

/* Whether one more look, cancel, list or poll may be sent, by how many were in the last second;
 * notes it. With KEYS one client may have half of them, so that none shuts all others out. */
static bool may_ask(struct peering *peering, const struct queue_whose *whose) {
    int64_t now_us = clock_steady_ms() * 1000;
    int64_t each_us = 1000000 / peering->conf->peer_looks;
    int64_t *client_us = &peering->client_ask_us[fnv_hash(whose->client) % CLIENT_ASKS];
    bool shares = peering->conf->keys && !whose->all;
    if (!is_time(&peering->next_ask_us, now_us) || (shares && !is_time(client_us, now_us)))
        return false;
    peering->next_ask_us += each_us;
    *client_us += shares ? 2 * each_us : 0;
    return true;
}

/* Whether a look, a cancel or a list can go to the peer now. If not it is answered, or stays here
 * until another one ends, or its wait does. */
static bool take_place(struct peering *peering, struct forward *forward, int64_t wait_ms) {
    bool full = wait_ms > 0 ? peering->looks == LOOKS_MAX : peering->asks == ASKS_MAX;
    if (forward->request.kind == PEER_LOOK && is_missing(peering, &forward->request)) {
        answer(peering, forward, QUEUE_NONE);
        return false;
    }
    if (full)
        return false;
    if (!may_ask(peering, &forward->request.whose)) {
        answer(peering, forward, QUEUE_BUSY);
        return false;
    }
    forward->parked = wait_ms > 0;
    forward->asks = !forward->parked;
    peering->looks += forward->parked;
    peering->asks += forward->asks;
    return true;
}

/* Whether a poll can go to the peer now. If not it is answered, or stays here until another one is.
 */
static bool take_poll_place(struct peering *peering, struct forward *forward) {
    const char *client = forward->request.whose.client;
    struct poll *poll = poll_of(peering, client);
    int64_t now_ms = clock_steady_ms();
    if (poll->asked)
        return false;
    if (strcmp(poll->client, client) == 0 && poll->until_ms > now_ms) {
        answer_poll(peering, forward, poll->until_ms - now_ms);
        return false;
    }
    if (!may_ask(peering, &forward->request.whose)) {
        answer_poll(peering, forward, PEER_POLL_MS);
        return false;
    }
    *poll = (struct poll){.asked = true, .until_ms = now_ms + PEER_POLL_MS};
    memcpy(poll->client, client, sizeof poll->client);
    forward->poll = poll;
    return true;
}

/* Whether a request is about one client's items, where this node knows clients by their keys. A
 * node of a former version would take it as one about everybody's. */
static bool is_for_one(const struct peering *peering, const struct peer_request *request) {
    const struct queue_whose *whose =
        request->kind == PEER_LIST ? &request->list.whose : &request->whose;
    return peering->conf->keys && !whose->all;
}

/* Sends a request to the peer, unless it is answered at once or has to stay here. */
static void send_to_peer(struct peering *peering, struct forward *forward) {
    int32_t kind = forward->request.kind;
    int64_t left_ms = kind == PEER_LOOK ? forward->until_ms - clock_steady_ms() : 0;
    int64_t wait_ms = left_ms > 0 ? left_ms : 0;
    bool for_one = is_for_one(peering, &forward->request);
    if (peering_is_away(peering) || !peering->known ||
        (for_one && peering->hello.told && !peering->hello.clients)) {
        answer(peering, forward, QUEUE_DOWN);
        return;
    }
    if (for_one && !peering->hello.told)
        return; /* soon it is known whether it can be asked */
    bool counts = kind == PEER_LOOK || kind == PEER_CANCEL || kind == PEER_LIST;
    if (counts && !take_place(peering, forward, wait_ms))
        return;
    if (kind == PEER_POLL && !take_poll_place(peering, forward))
        return;
    log_set_request(forward->request.part_of.id); /* which goes along */
    forward->call = kind == PEER_LOOK     ? forward_look(forward, wait_ms)
                    : kind == PEER_CANCEL ? forward_cancel(forward)
                    : kind == PEER_COUNT  ? forward_count(forward, take_count)
                    : kind == PEER_POLL   ? forward_count(forward, take_poll)
                    : kind == PEER_LIST   ? forward_list(forward)
                                          : forward_reserve(forward);
    log_set_request(NULL);
}

bool peering_forward_begin(struct connection *connection, const struct peer_message *message) {
    struct peering *peering = connection->peering;
    struct forward *forward = calloc(1, sizeof *forward);
    if (!forward)
        return false;
    forward->connection = connection;
    forward->ticket = message->ticket;
    forward->request = message->request;
    forward->until_ms = clock_steady_ms() + message->request.wait_ms;
    TAILQ_INSERT_TAIL(&peering->forwards, forward, all);
    send_to_peer(peering, forward);
    return true;
}

void peering_forwards_turn(struct peering *peering) {
    struct forward *forward = TAILQ_FIRST(&peering->forwards);
    while (forward) {
        struct forward *next = TAILQ_NEXT(forward, all);
        if (forward->call && peering_is_away(peering))
            answer(peering, forward, QUEUE_DOWN);
        else if (!forward->call)
            send_to_peer(peering, forward);
        forward = next;
    }
}
