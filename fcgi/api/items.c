/* The calls by which clients ask for their items and values. */

#include <string.h>

#include "api.h"
#include "clock.h"
#include "hex.h"
#include "http/accept.h"
#include "http/idempotency.h"
#include "http/problem.h"
#include "items_peers.h"
#include "queue/fields.h"
#include "queue/id.h"

enum { WAIT_SECONDS_MAX = 30 };

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
    return idempotency_key(call, pull->key);
}

void api_pull(struct call *call) {
    struct queue_pull pull = {0};
    struct queue_batch *batch = &call->server->batch;
    struct reply *reply = &call->server->reply;
    if (!read_pull(call, &pull))
        return;
    enum queue_result result = items_pull_all(call, &pull, batch);
    if (result == QUEUE_CONFLICT)
        problem_reply(reply, PROBLEM_KEY_CONFLICT,
                      "This Idempotency-Key was used for a pull with another top or order; use a "
                      "new key for a new pull.");
    else if (result != QUEUE_OK)
        problem_of_change(reply, result);
    else if (accept_plain(call_field(call, "HTTP_ACCEPT")))
        reply_lines(reply, batch);
    else
        reply_array(reply, batch);
}

static void reply_no_item(struct reply *reply) {
    problem_reply(reply, PROBLEM_NOT_FOUND,
                  "There is no item with this id; it never was, or was pulled or cancelled long "
                  "ago.");
}

/* 200 with an item as it stands. */
static void reply_item(struct reply *reply, const struct queue_item *item) {
    struct buffer *body = &reply->body;
    const char *state = item_state_name((enum item_state)item->state);
    reply_begin(reply, 200, "application/json");
    json_open(body, '{');
    fields_put_id(body, "id", item->id);
    json_name(body, "state");
    json_put_plain(body, state, strlen(state));
    fields_put_integer(body, "iterations", item->iterations);
    fields_put_integer(body, "remaining", item->remaining);
    fields_put_integer(body, "strikes", item->strikes);
    fields_put_time(body, "enqueued_at", item->enqueued_wall_ms);
    if (item->state == ITEM_DONE || item->state == ITEM_PULLED) {
        fields_put_digest(body, "value", item->chain);
        fields_put_time(body, "completed_at", item->completed_wall_ms);
    }
    json_close(body, '}');
}

/* Reads the wait parameter, 0 without it. False with the reply in place. */
static bool read_wait(struct call *call, int64_t *seconds) {
    char why[WHY_SIZE];
    *seconds = 0;
    if (!query_text(&call->query, "wait") ||
        query_integer(&call->query, "wait", 0, WAIT_SECONDS_MAX, seconds, why, sizeof why))
        return true;
    problem_reply(&call->server->reply, PROBLEM_BAD_PARAMETER, "%s", why);
    return false;
}

static void reply_found(struct call *call, const struct whereabouts *found) {
    struct reply *reply = &call->server->reply;
    if (found->here == QUEUE_OK)
        reply_item(reply, &found->item);
    else if (found->here != QUEUE_NONE)
        problem_of_read(reply, found->here);
    else if (found->node >= 0)
        items_reply_unreachable(call, found->node);
    else
        reply_no_item(reply);
}

/* Answers with what this node knows. */
static void look_here(struct call *call) {
    struct whereabouts found;
    items_find_anywhere(call, &found);
    reply_found(call, &found);
}

/* A wait that reaches this pool, its name escaped past nginx, is answered with the present state.
 */
void api_look(struct call *call) {
    int64_t seconds;
    struct whereabouts found;
    if (!read_wait(call, &seconds))
        return;
    items_find_anywhere(call, &found);
    items_ask_look(call, &found);
    reply_found(call, &found);
}

static uint64_t look_start(struct call *call) {
    int64_t seconds;
    struct whereabouts found;
    if (!read_wait(call, &seconds))
        return 0;
    items_find_anywhere(call, &found);
    if (seconds == 0 && found.node < 0) {
        reply_found(call, &found);
        return 0;
    }
    if (!call->may_park) {
        problem_reply(&call->server->reply, PROBLEM_WAITS_FULL,
                      "This node holds as many waiting requests as it may; try again later, or "
                      "without wait.");
        return 0;
    }
    call->until_ms = clock_steady_ms() + seconds * 1000;
    if (found.node >= 0)
        return items_start_look(call, found.node, seconds);
    return queue_start_look(call->server->queue, call->id, seconds * 1000);
}

/* The answer of another node. When that one cannot be reached a copy of its item is here to wait
 * for: this node sees to it then. */
static uint64_t look_finish_asked(struct call *call, const struct queue_answer *answer) {
    struct whereabouts found;
    int64_t left_ms = call->until_ms - clock_steady_ms();
    items_find_anywhere(call, &found);
    items_take_look(&found, answer->result, answer->item);
    if (found.node >= 0 && found.here == QUEUE_OK && left_ms > 0)
        return queue_start_look(call->server->queue, call->id, left_ms);
    reply_found(call, &found);
    return 0;
}

static uint64_t look_finish(struct call *call, const struct queue_answer *answer) {
    if (ask_is_ticket(answer->ticket))
        return look_finish_asked(call, answer);
    if (answer->result == QUEUE_OK)
        reply_item(&call->server->reply, answer->item);
    else if (answer->result == QUEUE_NONE)
        reply_no_item(&call->server->reply);
    else
        look_here(
            call); /* the engine's writing side has trouble; the item can be read all the same */
    return 0;
}

const struct wait_verbs api_look_waits = {look_start, look_finish, look_here, NULL};

void api_cancel(struct call *call) {
    struct reply *reply = &call->server->reply;
    int node = -1;
    enum queue_result result = items_cancel_there(call, &node);
    if (node >= 0)
        items_reply_unreachable(call, node);
    else if (result == QUEUE_OK)
        reply_begin(reply, 204, NULL);
    else if (result == QUEUE_NONE)
        reply_no_item(reply);
    else if (result == QUEUE_CONFLICT)
        problem_reply(
            reply, PROBLEM_ALREADY_DONE,
            "The item is done already and cannot be cancelled; look at it for its value.");
    else
        problem_of_change(reply, result);
}
