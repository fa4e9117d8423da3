#include "items_peers.h"

#include "http/problem.h"
#include "queue/id.h"

enum queue_result items_pull_all(struct call *call, struct queue_pull *pull,
                                 struct queue_batch *batch) {
    struct server *server = call->server;
    if (!server->ask)
        return queue_pull(server->queue, pull, batch);
    pull->if_enough = 1;
    enum queue_result result = queue_pull(server->queue, pull, batch);
    if (result != QUEUE_NONE)
        return result;
    struct ask_request request = {.kind = ASK_FETCH, .top = pull->top, .oldest = pull->oldest};
    ask_call(server->ask, &request, NULL); /* whatever came, what is here now is handed out */
    pull->if_enough = 0;
    return queue_pull(server->queue, pull, batch);
}

/* A peer that this node, since it was restored, has not asked yet for all its items: it may know of
 * one that is not here. -1: there is none. */
static int peer_to_ask(struct server *server) {
    static struct queue_peers peers;
    if (queue_peers(server->queue, &peers) != QUEUE_OK)
        return -1;
    for (int i = 0; i < peers.count; i++) {
        if (peers.peers[i].restored)
            return peers.peers[i].node;
    }
    return -1;
}

void items_find_anywhere(struct call *call, struct whereabouts *found) {
    struct server *server = call->server;
    int home = -1;
    found->node = -1;
    if (!server->ask) {
        found->here = queue_look(server->queue, call->id, &found->item);
        return;
    }
    found->here = queue_look_home(server->queue, call->id, &found->item, &home);
    if (found->here == QUEUE_NONE)
        home = id_node(call->id);
    else if (found->here != QUEUE_OK)
        return;
    if (home != server->conf->node && conf_peer(server->conf, home))
        found->node = home;
    else if (found->here == QUEUE_NONE)
        found->node = peer_to_ask(server);
}

void items_take_look(struct whereabouts *found, enum queue_result result,
                     const struct queue_item *item) {
    if (result == QUEUE_OK) {
        found->here = QUEUE_OK;
        found->item = *item;
    }
    if (result == QUEUE_OK || result == QUEUE_NONE)
        found->node = -1; /* NONE: a copy that is here is all that is left of it */
}

void items_ask_look(struct call *call, struct whereabouts *found) {
    struct queue_item item;
    struct ask_request request = {.kind = ASK_LOOK, .node = found->node, .id = call->id};
    if (found->node < 0)
        return;
    items_take_look(found, ask_call(call->server->ask, &request, &item), &item);
}

uint64_t items_start_look(struct call *call, int node, int64_t wait_seconds) {
    struct ask_request request = {
        .kind = ASK_LOOK, .node = node, .id = call->id, .wait_ms = (int32_t)(wait_seconds * 1000)};
    return ask_start(call->server->ask, &request);
}

enum queue_result items_cancel_there(struct call *call, int *node) {
    struct server *server = call->server;
    struct whereabouts found = {.node = -1};
    if (server->ask)
        items_find_anywhere(call, &found);
    if (found.node < 0)
        return queue_cancel(server->queue, call->id);
    struct ask_request request = {.kind = ASK_CANCEL, .node = found.node, .id = call->id};
    enum queue_result result = ask_call(server->ask, &request, NULL);
    if (result == QUEUE_OK || result == QUEUE_CONFLICT)
        return result;
    if (found.here == QUEUE_OK)
        return queue_cancel(server->queue, call->id); /* the copy; its home learns of it */
    if (result != QUEUE_NONE)
        *node = found.node;
    return result;
}

void items_reply_unreachable(struct call *call, int node) {
    problem_reply(
        &call->server->reply, PROBLEM_UNREACHABLE,
        "Node %d, which may know of this item, cannot be reached at the moment; try again.", node);
}
