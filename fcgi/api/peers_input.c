#include "peers_input.h"

#include <string.h>

#include "http/input.h"
#include "http/problem.h"
#include "peering/peer_json.h"
#include "queue/fields.h"

enum { WAIT_SECONDS_MAX = 30 };

bool peers_read_node(struct call *call, int32_t *node) {
    struct reply *reply = &call->server->reply;
    const struct conf *conf = call->server->conf;
    int64_t number;
    if (!input_read(call))
        return false;
    if (!json_integer(&call->server->json, input_member(call, "node"), 0, PEER_NODE_MAX, &number))
        return input_refuse(call, -1, "node", "the NODE of the node that calls, 0 to 255");
    *node = (int32_t)number;
    if (conf_peer(conf, *node))
        return true;
    if (*node == conf->node)
        problem_reply(reply, PROBLEM_FORBIDDEN,
                      "This is node %d itself: every node must have a NODE of its own, and PEERS "
                      "must name the others.",
                      *node);
    else
        problem_reply(reply, PROBLEM_FORBIDDEN,
                      "Node %d is no peer of this node: add %d=URL to the PEERS of node %d.", *node,
                      *node, (int)conf->node);
    return false;
}

bool peers_read_hello(struct call *call, struct queue_hello *hello) {
    const struct json *json = &call->server->json;
    if (!peers_read_node(call, &hello->node))
        return false;
    if (!json_integer(json, input_member(call, "nonce"), 0, INT64_MAX, &hello->nonce))
        return input_refuse(call, -1, "nonce", "that of the last answer to a hello, or 0");
    int array = input_member(call, "loans");
    hello->count = json_array_size(json, array);
    if (hello->count < 0 || hello->count > QUEUE_LOANS_MAX)
        return input_refuse(call, -1, "loans", "an array of 0 to 64 ids of loans");
    int token = json_first(json, array);
    for (int i = 0; i < hello->count; i++) {
        if (!fields_read_id(json, token, &hello->loans[i]))
            return input_refuse(call, -1, "loans", "an array of ids, which are UUIDs");
        token = json_next(json, token);
    }
    return true;
}

bool peers_read_copies(struct call *call, struct queue_copies *copies) {
    struct peer_fault fault = {0};
    int index;
    if (!peers_read_node(call, &copies->node))
        return false;
    if (peer_json_read_items(&call->server->json, input_member(call, "items"), 1, QUEUE_COPIES_MAX,
                             copies, &index, &fault))
        return true;
    return input_refuse(call, index, fault.field, fault.rule);
}

bool peers_read_items(struct call *call, int64_t *seq) {
    int32_t node;
    return peers_read_node(call, &node) &&
           (json_integer(&call->server->json, input_member(call, "after"), 0, INT64_MAX, seq) ||
            input_refuse(call, -1, "after", "0, or as in the last reply"));
}

static bool read_id(struct call *call, const char *name, const char *rule, struct uuid *id) {
    return fields_read_id(&call->server->json, input_member(call, name), id) ||
           input_refuse(call, -1, name, rule);
}

bool peers_read_transfer(struct call *call, struct queue_transfer *transfer) {
    const struct json *json = &call->server->json;
    char order[8];
    int64_t top;
    bool copies;
    if (!peers_read_node(call, &transfer->node) ||
        !read_id(call, "transfer", "a UUID of the node that calls", &transfer->id))
        return false;
    if (!json_integer(json, input_member(call, "top"), 1, QUEUE_COPIES_MAX, &top))
        return input_refuse(call, -1, "top", "a whole number from 1 to 200");
    if (!json_string(json, input_member(call, "order"), order, sizeof order) ||
        (strcmp(order, "latest") != 0 && strcmp(order, "oldest") != 0))
        return input_refuse(call, -1, "order", "latest or oldest");
    if (!json_boolean(json, input_member(call, "copies"), &copies))
        return input_refuse(call, -1, "copies", "true or false");
    transfer->top = (int32_t)top;
    transfer->oldest = strcmp(order, "oldest") == 0;
    transfer->copies = copies;
    return true;
}

bool peers_read_look(struct call *call, int64_t *wait_seconds) {
    if (!peers_read_cancel(call))
        return false;
    return json_integer(&call->server->json, input_member(call, "wait"), 0, WAIT_SECONDS_MAX,
                        wait_seconds) ||
           input_refuse(call, -1, "wait", "whole seconds from 0 to 30");
}

bool peers_read_cancel(struct call *call) {
    int32_t node;
    return peers_read_node(call, &node) && read_id(call, "id", "the id of an item", &call->id);
}
