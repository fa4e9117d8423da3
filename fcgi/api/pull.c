/* POST /pullCompleted: clients get values. */

#include <stdio.h>
#include <string.h>

#include "api.h"
#include "clock.h"
#include "hex.h"
#include "http/accept.h"
#include "http/idempotency.h"
#include "http/problem.h"
#include "items.h"
#include "items_peers.h"
#include "queue/fields.h"
#include "queue/id.h"
#include "quota.h"

/* The batch as lines "ID VALUE". */
static void reply_lines(struct reply *reply, const struct queue_batch *batch) {
    reply_begin(reply, 200, "text/plain");
    for (int i = 0; i < batch->count; i++) {
        char text[ID_TEXT_SIZE];
        char value[2 * DIGEST_SIZE];
        id_format(text, batch->items[i].id);
        hex_encode(value, batch->items[i].chain, DIGEST_SIZE);
        buffer_printf(&reply->body, "%s %.*s\n", text, 2 * DIGEST_SIZE, value);
    }
}

/* The batch as an array of objects. */
static void reply_array(struct reply *reply, const struct queue_batch *batch) {
    struct buffer *body = &reply->body;
    reply_begin(reply, 200, "application/json");
    json_open(body, '[');
    for (int i = 0; i < batch->count; i++) {
        const struct queue_item *item = &batch->items[i];
        json_open(body, '{');
        fields_put_id(body, "id", item->id);
        fields_put_digest(body, "value", item->chain);
        fields_put_integer(body, "iterations", item->iterations);
        fields_put_time(body, "enqueued_at", item->enqueued_wall_ms);
        fields_put_time(body, "completed_at", item->completed_wall_ms);
        json_close(body, '}');
    }
    json_close(body, ']');
}

static void reply_batch(struct call *call, const struct queue_batch *batch) {
    if (accept_plain(call_field(call, "HTTP_ACCEPT")))
        reply_lines(&call->server->reply, batch);
    else
        reply_array(&call->server->reply, batch);
}

/* Sets whose items are pulled, and the caller's quota if they are its own. */
static bool read_client(struct call *call, struct queue_pull *pull) {
    struct queue_client own;
    auth_client(&call->identity, &own);
    if (!items_read_client(call, pull->client))
        return false;
    auth_operator(&call->identity, pull->who);
    if (strcmp(pull->client, own.name) == 0)
        pull->quota = own.quota;
    return true;
}

/* Reads top, order and the key. False with the reply in place. */
static bool read_pull(struct call *call, struct queue_pull *pull) {
    char why[WHY_SIZE];
    int64_t top;
    const char *order = query_text(&call->query, "order");
    if (!query_integer(&call->query, "top", 1, QUEUE_PULL_MAX, &top, why, sizeof why)) {
        problem_reply(&call->server->reply, PROBLEM_BAD_PARAMETER, "%s", why);
        return false;
    }
    if (order && strcmp(order, "latest") != 0 && strcmp(order, "oldest") != 0) {
        problem_reply(&call->server->reply, PROBLEM_BAD_PARAMETER,
                      "order must be latest or oldest; without it the latest come first.");
        return false;
    }
    pull->top = (int32_t)top;
    pull->oldest = order && strcmp(order, "oldest") == 0;
    return read_client(call, pull) && idempotency_key(call, pull->key);
}

/* Answers at once, also with a wait that is over: see pull_now. */
void api_pull(struct call *call) {
    struct queue_pull pull = {0};
    struct queue_batch *batch = &call->server->batch;
    struct reply *reply = &call->server->reply;
    int64_t seconds;
    bool unreachable;
    if (!read_pull(call, &pull) || !items_read_wait(call, &seconds))
        return;
    enum queue_result result = items_pull_all(call, &pull, batch, &unreachable);
    if (result == QUEUE_CONFLICT)
        problem_reply(reply, PROBLEM_KEY_CONFLICT,
                      "This Idempotency-Key was used for a pull with another top or order; use a "
                      "new key for a new pull.");
    else if (result == QUEUE_NONE)
        problem_reply(reply, PROBLEM_GONE,
                      "Some items of this batch were handed out too long ago: they have left the "
                      "queue; use a new key for a new pull.");
    else if (unreachable)
        items_reply_unreachable(call);
    else if (result != QUEUE_OK)
        problem_of_write(reply, result);
    else
        reply_batch(call, batch);
    quota_reply(call, &pull.quota);
}

/* --- Pulls that wait --- */

/* Sends the request on, through nginx, to a process for short requests, which pulls: nothing is
 * handed out to who has gone while it waited. */
static void pull_now(struct call *call) {
    reply_pass_on(&call->server->reply, "@hashmill_pull");
}

/* Waits until an item of the client is done here, for this time or for what is left. Returns the
 * ticket. */
static uint64_t wait_here(struct call *call, int64_t wait_ms) {
    int64_t left_ms = call->until_ms - clock_steady_ms();
    if (left_ms > wait_ms)
        left_ms = wait_ms;
    call->asks_peer = false;
    return queue_start_done(call->server->queue, call->client, left_ms > 0 ? left_ms : 1);
}

/* Asks whether the client has items that are done at the peer; without one, waits here. Returns the
 * ticket. */
static uint64_t ask_peer(struct call *call) {
    struct peer_request request = {.kind = PEER_POLL};
    if (!call->server->peer_client)
        return wait_here(call, INT64_MAX);
    snprintf(request.whose.client, sizeof request.whose.client, "%s", call->client);
    call->asks_peer = true;
    return peer_client_start(call->server->peer_client, &request);
}

static uint64_t pull_start(struct call *call) {
    struct queue_pull pull = {0};
    int64_t seconds = 0;
    if (!read_pull(call, &pull) || !items_read_wait(call, &seconds))
        return 0;
    if (seconds == 0 || (pull.key[0] && queue_pulled(call->server->queue, &pull) != QUEUE_NONE)) {
        pull_now(call);
        return 0;
    }
    if (!items_may_wait(call))
        return 0;
    call->until_ms = clock_steady_ms() + seconds * 1000;
    memcpy(call->client, pull.client, sizeof call->client);
    return ask_peer(call);
}

static uint64_t pull_finish(struct call *call, const struct queue_answer *answer) {
    bool good = answer->result == QUEUE_OK;
    bool found = good && (!call->asks_peer || answer->number == 0);
    bool over = clock_steady_ms() >= call->until_ms;
    if (!found && !over && call->asks_peer)
        return wait_here(call, good ? answer->number : PEER_POLL_MS);
    if (!found && !over && answer->result == QUEUE_NONE)
        return ask_peer(call);
    pull_now(call);
    return 0;
}

/* The process stops: the client may ask again. */
static void pull_cut_short(struct call *call) {
    static const struct queue_batch nothing;
    reply_batch(call, &nothing);
}

const struct long_poll_verbs api_pull_long_poll = {pull_start, pull_finish, pull_cut_short, NULL};
