/* The calls by which clients look at an item, list those that are worked on, and cancel one. */

#include <stdio.h>
#include <string.h>

#include "api.h"
#include "http/problem.h"
#include "items.h"
#include "items_peers.h"
#include "queue/fields.h"
#include "stats/progress.h"

enum { WAIT_SECONDS_MAX = 30, RUNNING_DEFAULT = 20 };

/* With KEYS another client's item is none: the reply is the same. */
static void reply_no_item(const struct call *call) {
    problem_reply(&call->server->reply, PROBLEM_NOT_FOUND,
                  "There is no item with this id; it never was, or was pulled or cancelled long "
                  "ago%s.",
                  call->server->conf->keys ? ", or it is another client's" : "");
}

/* Appends the members of an item: those of items_put. */
static void put_members(struct buffer *body, const struct queue_item *item, const char *client,
                        int64_t as_of_ms) {
    const char *state = item_state_name((enum item_state)item->state);
    fields_put_id(body, "id", item->id);
    if (client) {
        json_name(body, "client");
        json_put_string(body, client);
    }
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
    if (as_of_ms > 0)
        fields_put_time(body, "as_of", as_of_ms);
}

void items_put(struct buffer *body, const struct queue_item *item, const char *client,
               int64_t as_of_ms) {
    json_open(body, '{');
    put_members(body, item, client, as_of_ms);
    json_close(body, '}');
}

/* Appends the progress of an item of this node that waits or is leased. It is left out when it
 * cannot be read now. */
static void put_progress(struct call *call, const struct queue_item *item) {
    struct server *server = call->server;
    struct queue_progress progress;
    if (item->state > ITEM_LEASED || items_is_there(call) ||
        queue_progress(server->queue, item->id, &call->whose, &progress) != QUEUE_OK ||
        progress.state != item->state)
        return;
    const struct queue_load *load = queue_load(server->queue);
    if (load)
        stats_put_progress(&server->reply.body, server->conf, load, &progress, call->whose.all);
}

/* 200 with an item in its present state, or in that of as_of_ms. */
static void reply_item(struct call *call, const struct queue_item *item, int64_t as_of_ms) {
    struct reply *reply = &call->server->reply;
    reply_begin(reply, 200, "application/json");
    json_open(&reply->body, '{');
    put_members(&reply->body, item, NULL, as_of_ms);
    put_progress(call, item);
    json_close(&reply->body, '}');
}

bool items_read_named(struct call *call, const char **named) {
    *named = query_text(&call->query, "client");
    if (*named && strlen(*named) >= QUEUE_NAME_SIZE)
        problem_reply(&call->server->reply, PROBLEM_BAD_PARAMETER,
                      "client must be the name of a client, which has at most 64 bytes.");
    else if (*named && !call->whose.all && strcmp(*named, call->whose.client) != 0)
        problem_reply(&call->server->reply, PROBLEM_FORBIDDEN,
                      "A client sees, takes and cancels its own items only; leave client out.");
    else
        return true;
    return false;
}

bool items_read_client(struct call *call, char client[QUEUE_NAME_SIZE]) {
    const char *named;
    struct queue_client own;
    if (!items_read_named(call, &named))
        return false;
    if (!named && call->identity.kind == IDENTITY_OPERATOR) {
        problem_reply(&call->server->reply, PROBLEM_BAD_PARAMETER,
                      "An operator says whose items this is about: add client=NAME, or client= for "
                      "those of no client. Nothing was done.");
        return false;
    }
    auth_client(&call->identity, &own);
    snprintf(client, QUEUE_NAME_SIZE, "%s", named ? named : own.name);
    return true;
}

bool items_read_wait(struct call *call, int64_t *seconds) {
    char why[WHY_SIZE];
    *seconds = 0;
    if (!query_text(&call->query, "wait") ||
        query_integer(&call->query, "wait", 0, WAIT_SECONDS_MAX, seconds, why, sizeof why))
        return true;
    problem_reply(&call->server->reply, PROBLEM_BAD_PARAMETER, "%s", why);
    return false;
}

bool items_may_wait(struct call *call) {
    if (!call->may_park)
        problem_reply(&call->server->reply, PROBLEM_WAITS_FULL,
                      "This node holds as many waiting requests as it may; try again later, or "
                      "without wait.");
    return call->may_park;
}

static void reply_sight(struct call *call, const struct sight *sight) {
    struct reply *reply = &call->server->reply;
    if (sight->result == QUEUE_OK)
        reply_item(call, &sight->item, sight->as_of_ms);
    else if (sight->result == QUEUE_NONE)
        reply_no_item(call);
    else if (sight->result == QUEUE_BUSY)
        items_reply_busy(call);
    else if (items_is_there(call))
        items_reply_unreachable(call);
    else
        problem_of_read(reply, sight->result);
}

static void look_now(struct call *call) {
    struct sight sight;
    items_look(call, &sight);
    reply_sight(call, &sight);
}

/* Answers at once, also a look with a wait, which reaches this pool when its name is escaped past
 * nginx. */
void api_look(struct call *call) {
    int64_t seconds;
    if (items_read_wait(call, &seconds))
        look_now(call);
}

/* Answers at once from what can be read at this node. */
static void look_here(struct call *call) {
    struct sight sight;
    if (items_is_there(call))
        items_take_look(call, &(struct queue_answer){.result = QUEUE_DOWN}, &sight);
    else
        items_look(call, &sight);
    reply_sight(call, &sight);
}

static uint64_t look_start(struct call *call) {
    int64_t seconds;
    if (!items_read_wait(call, &seconds))
        return 0;
    if (seconds == 0 && !items_is_there(call)) {
        look_here(call);
        return 0;
    }
    if (!items_may_wait(call))
        return 0;
    if (items_is_there(call))
        return items_start_look(call, seconds);
    return queue_start_look(call->server->queue, call->id, &call->whose, seconds * 1000);
}

static uint64_t look_finish(struct call *call, const struct queue_answer *answer) {
    struct sight sight;
    if (!peer_client_is_ticket(answer->ticket) && answer->result != QUEUE_OK &&
        answer->result != QUEUE_NONE) {
        look_here(call); /* the engine's writing side has trouble; reading may work all the same */
        return 0;
    }
    items_take_look(call, answer, &sight);
    reply_sight(call, &sight);
    return 0;
}

const struct long_poll_verbs api_look_long_poll = {look_start, look_finish, look_here, NULL};

static void put_run(struct call *call, const struct queue_load *load, const struct queue_run *run) {
    struct buffer *body = &call->server->reply.body;
    json_open(body, '{');
    put_members(body, &run->item, call->whose.all ? run->progress.client : NULL, 0);
    stats_put_progress(body, call->server->conf, load, &run->progress, call->whose.all);
    json_close(body, '}');
}

void api_running(struct call *call) {
    static struct queue_running running; /* too large for the stack */
    struct reply *reply = &call->server->reply;
    char why[WHY_SIZE];
    int64_t limit = RUNNING_DEFAULT;
    if (query_text(&call->query, "limit") &&
        !query_integer(&call->query, "limit", 1, QUEUE_RUNNING_MAX, &limit, why, sizeof why)) {
        problem_reply(reply, PROBLEM_BAD_PARAMETER, "%s", why);
        return;
    }
    struct queue *queue = call->server->queue;
    enum queue_result result = queue_running(queue, &call->whose, (int)limit, &running);
    const struct queue_load *load = result == QUEUE_OK ? queue_load(queue) : NULL;
    if (!load) {
        problem_of_read(reply, result == QUEUE_OK ? QUEUE_DOWN : result);
        return;
    }
    reply_begin(reply, 200, "application/json");
    json_open(&reply->body, '{');
    json_name(&reply->body, "items");
    json_open(&reply->body, '[');
    for (int i = 0; i < running.count; i++)
        put_run(call, load, &running.runs[i]);
    json_close(&reply->body, ']');
    json_name(&reply->body, "more");
    json_put_boolean(&reply->body, running.more != 0);
    json_close(&reply->body, '}');
}

void api_cancel(struct call *call) {
    struct reply *reply = &call->server->reply;
    bool unreachable;
    enum queue_result result = items_cancel(call, &unreachable);
    if (unreachable)
        items_reply_unreachable(call);
    else if (result == QUEUE_OK)
        reply_begin(reply, 204, NULL);
    else if (result == QUEUE_NONE)
        reply_no_item(call);
    else if (result == QUEUE_BUSY)
        items_reply_busy(call);
    else if (result == QUEUE_CONFLICT)
        problem_reply(
            reply, PROBLEM_ALREADY_DONE,
            "The item is done already and cannot be cancelled; look at it for its value.");
    else
        problem_of_write(reply, result);
}
