#include "items_peers.h"

#include <string.h>

#include "http/problem.h"
#include "queue/id.h"

/* --- Pulls --- */

/* How many done items of the client the peer has; 0 when it does not answer. */
static int64_t count_there(struct server *server, const struct queue_pull *pull) {
    const struct peer_message *answer;
    struct peer_request request = {.kind = PEER_COUNT};
    memcpy(request.whose.client, pull->client, sizeof request.whose.client);
    return peer_client_call(server->peer_client, &request, &answer) == QUEUE_OK ? answer->is.number
                                                                                : 0;
}

/* Adds the peer's items to those of this node, in the order of the pull. */
static void add(struct queue_batch *batch, const struct queue_batch *more, int oldest) {
    int room = QUEUE_PULL_MAX - batch->count;
    int count = more->count < room ? more->count : room;
    memcpy(batch->items + batch->count, more->items, (size_t)count * sizeof more->items[0]);
    batch->count += count;
    queue_sort_batch(batch, oldest);
}

/* Closes the pull with `rest` items of the peer. */
static enum queue_result close_pull(struct server *server, const struct queue_pull *pull,
                                    const uint8_t tag[PULL_TAG_SIZE], int32_t rest) {
    struct queue_close close = {.rest = rest};
    memcpy(close.who, pull->who, sizeof close.who);
    memcpy(close.client, pull->client, sizeof close.client);
    memcpy(close.tag, tag, PULL_TAG_SIZE);
    enum queue_result result = queue_close_pull(server->queue, &close);
    return result == QUEUE_NONE || result == QUEUE_CONFLICT ? QUEUE_UNKNOWN : result;
}

/* Whether a pull is so old that one of the nodes may have removed items of it; they need not keep
 * them equally long. */
static bool is_old(const struct queue_batch *batch, const struct queue_batch *more) {
    static const int64_t day_ms = 24 * 3600 * 1000;
    int32_t days = more->kept_days < batch->kept_days ? more->kept_days : batch->kept_days;
    return batch->age_ms >= days * day_ms;
}

/* Adds the items that the peer sets aside, or has set aside, to this node's part. */
static enum queue_result complete(struct server *server, const struct queue_pull *pull,
                                  struct queue_batch *batch, bool *unreachable) {
    const struct peer_message *answer;
    bool open = batch->share == PULL_OPEN;
    struct peer_request request = {
        .kind = PEER_RESERVE, .top = batch->rest, .oldest = pull->oldest, .again = !open};
    memcpy(request.tag, batch->tag, PULL_TAG_SIZE);
    memcpy(request.whose.client, pull->client, sizeof request.whose.client);
    enum queue_result result = peer_client_call(server->peer_client, &request, &answer);
    int32_t rest = result == QUEUE_OK ? answer->is.batch.count : 0;
    bool keyed = pull->key[0] != '\0';
    if (result != QUEUE_OK && (keyed || !open)) {
        *unreachable = true; /* the pull stays open, to be repeated */
        return QUEUE_DOWN;
    }
    if (!open && rest < batch->rest) {
        *unreachable = !is_old(batch, &answer->is.batch);
        return *unreachable ? QUEUE_DOWN : QUEUE_NONE;
    }
    result = open ? close_pull(server, pull, batch->tag, rest) : QUEUE_OK;
    if (result == QUEUE_OK && rest > 0)
        add(batch, &answer->is.batch, pull->oldest);
    return result;
}

enum queue_result items_pull_all(struct call *call, struct queue_pull *pull,
                                 struct queue_batch *batch, bool *unreachable) {
    struct server *server = call->server;
    *unreachable = false;
    pull->reach = server->peer_client ? PULL_IF_ENOUGH : PULL_HERE;
    enum queue_result result = queue_pull(server->queue, pull, batch);
    if (result == QUEUE_NONE) {
        pull->reach = count_there(server, pull) > 0 ? PULL_OVER_BOTH : PULL_HERE;
        pull->peer = server->conf->peer.node;
        result = queue_pull(server->queue, pull, batch);
    }
    queue_left(server->queue, &call->left);
    if (result != QUEUE_OK || batch->share == PULL_WHOLE)
        return result;
    if (batch->share == PULL_GONE)
        return QUEUE_NONE;
    if (!server->peer_client)
        return QUEUE_PAUSED; /* it needs the peer of that time */
    return complete(server, pull, batch, unreachable);
}

/* --- Looks and cancels --- */

bool items_is_there(const struct call *call) {
    const struct server *server = call->server;
    return server->peer_client && id_node(call->id) == server->conf->peer.node;
}

/* Looks at the item in the replica at this node. */
static void look_in_replica(struct call *call, struct sight *sight) {
    struct queue *queue = call->server->queue;
    if (queue_look_replica(queue, call->id, &call->whose, &sight->item, &sight->as_of_ms) ==
        QUEUE_OK)
        sight->result = QUEUE_OK;
    else
        sight->result = QUEUE_DOWN; /* an item that it lacks may be newer */
}

void items_look(struct call *call, struct sight *sight) {
    struct server *server = call->server;
    const struct peer_message *answer;
    sight->as_of_ms = 0;
    if (!items_is_there(call)) {
        sight->result = queue_look(server->queue, call->id, &call->whose, &sight->item);
        return;
    }
    struct peer_request request = {.kind = PEER_LOOK, .id = call->id, .whose = call->whose};
    sight->result = peer_client_call(server->peer_client, &request, &answer);
    if (sight->result == QUEUE_OK)
        sight->item = answer->is.item;
    else if (sight->result != QUEUE_NONE && sight->result != QUEUE_BUSY)
        look_in_replica(call, sight);
}

uint64_t items_start_look(struct call *call, int64_t wait_seconds) {
    struct peer_request request = {.kind = PEER_LOOK,
                                   .id = call->id,
                                   .whose = call->whose,
                                   .wait_ms = (int32_t)(wait_seconds * 1000)};
    return peer_client_start(call->server->peer_client, &request);
}

void items_take_look(struct call *call, const struct queue_answer *answer, struct sight *sight) {
    sight->as_of_ms = 0;
    sight->result = answer->result;
    if (answer->result == QUEUE_OK)
        sight->item = *answer->item;
    else if (answer->result != QUEUE_NONE && answer->result != QUEUE_BUSY)
        look_in_replica(call, sight);
}

enum queue_result items_cancel(struct call *call, bool *unreachable) {
    struct server *server = call->server;
    const struct peer_message *answer;
    *unreachable = false;
    struct queue_cancel cancel = {.id = call->id, .whose = call->whose};
    auth_operator(&call->identity, cancel.who);
    if (!items_is_there(call))
        return queue_cancel(server->queue, &cancel);
    struct peer_request request = {.kind = PEER_CANCEL, .id = call->id, .whose = call->whose};
    memcpy(request.who, cancel.who, sizeof request.who);
    enum queue_result result = peer_client_call(server->peer_client, &request, &answer);
    *unreachable = result == QUEUE_DOWN;
    return result;
}

void items_reply_unreachable(struct call *call) {
    problem_reply(
        &call->server->reply, PROBLEM_UNREACHABLE,
        "Node %d, whose items or pull this is about, cannot be reached at the moment; try "
        "again.",
        call->server->conf->peer.node);
}

void items_reply_busy(struct call *call) {
    problem_reply(&call->server->reply, PROBLEM_LOOKS_FULL,
                  "Node %d, which this is about, is asked as often as it may be from here; ask "
                  "it directly, or wait a moment.",
                  call->server->conf->peer.node);
}
