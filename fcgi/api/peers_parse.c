#include "peers_parse.h"

#include <string.h>

#include "http/problem.h"
#include "http/request_json.h"
#include "peering/peer_json.h"
#include "queue/fields.h"
#include "queue/queue_operators.h"

enum { WAIT_SECONDS_MAX = 30 };

static const char tag_rule[] = "the tag of a pull, 38 lower-case hex digits, the last two ff";

bool peers_know(struct call *call, int32_t node) {
    struct reply *reply = &call->server->reply;
    const struct conf *conf = call->server->conf;
    if (conf_peer(conf, node))
        return true;
    if (node == conf->node)
        problem_reply(reply, PROBLEM_FORBIDDEN,
                      "This is node %d itself: every node must have a NODE of its own, and PEERS "
                      "must name the others.",
                      node);
    else
        problem_reply(reply, PROBLEM_FORBIDDEN,
                      "Node %d is no peer of this node: add %d=URL to the PEERS of node %d.", node,
                      node, (int)conf->node);
    return false;
}

bool peers_read_node(struct call *call, int32_t *node) {
    int64_t number;
    if (!request_json_read(call, PEER_PROTOCOL))
        return false;
    if (!json_integer(&call->server->json, request_json_member(call, "node"), 0, NODE_MAX, &number))
        return request_json_refuse(call, -1, "node", "the NODE of the node that calls, 0 to 255");
    *node = (int32_t)number;
    return peers_know(call, *node);
}

static bool read_id(struct call *call, const char *name, const char *rule, struct uuid *id) {
    return fields_read_id(&call->server->json, request_json_member(call, name), id) ||
           request_json_refuse(call, -1, name, rule);
}

static bool read_identity(struct call *call, struct queue_identity *identity) {
    if (!read_id(call, "database", "the id of a database", &identity->database))
        return false;
    return json_integer(&call->server->json, request_json_member(call, "epoch"), 1, QUEUE_EPOCH_MAX,
                        &identity->epoch) ||
           request_json_refuse(call, -1, "epoch", "a whole number from 1 to 2^53 - 1");
}

/* Reads the names of the caller's machines; a node of an earlier version says none. */
static bool read_machines(struct call *call, struct queue_hello *hello) {
    const struct json *json = &call->server->json;
    int array = request_json_member(call, "machines");
    hello->machine_count = array < 0 ? -1 : json_array_size(json, array);
    if (array < 0)
        return true;
    if (hello->machine_count < 0 || hello->machine_count > QUEUE_MACHINES_MAX)
        return request_json_refuse(call, -1, "machines", "an array of 0 to 64 names of machines");
    int token = json_first(json, array);
    for (int i = 0; i < hello->machine_count; i++) {
        if (!json_string(json, token, hello->machines[i], QUEUE_NAME_SIZE))
            return request_json_refuse(call, -1, "machines", "an array of names of 0 to 64 bytes");
        token = json_next(json, token);
    }
    return true;
}

bool peers_read_hello(struct call *call, struct queue_hello *hello) {
    const struct json *json = &call->server->json;
    if (!peers_read_node(call, &hello->node))
        return false;
    if (!read_identity(call, &hello->identity))
        return false;
    if (!json_integer(json, request_json_member(call, "nonce"), 0, INT64_MAX, &hello->nonce))
        return request_json_refuse(call, -1, "nonce", "that of the last answer to a hello, or 0");
    int array = request_json_member(call, "loans");
    hello->count = json_array_size(json, array);
    if (hello->count < 0 || hello->count > QUEUE_LOANS_MAX)
        return request_json_refuse(call, -1, "loans", "an array of 0 to 64 ids of loans");
    int token = json_first(json, array);
    for (int i = 0; i < hello->count; i++) {
        if (!fields_read_id(json, token, &hello->loans[i]))
            return request_json_refuse(call, -1, "loans", "an array of ids, which are UUIDs");
        token = json_next(json, token);
    }
    return read_machines(call, hello);
}

/* Reads for whom a node asks: a client, or all without one. A node that does not say "keys" lets
 * anybody ask. Where this node has KEYS, such a node is shown what belongs to nobody, and nothing
 * of a client that it names. */
static bool read_whose(struct call *call, struct queue_whose *whose) {
    static const char nameless[] = "?"; /* no client can have this name, so it has nothing */
    const struct json *json = &call->server->json;
    int client = request_json_member(call, "client");
    int token = request_json_member(call, "keys");
    bool keys = false;
    *whose = (struct queue_whose){.all = client < 0};
    if (client >= 0 && !json_string(json, client, whose->client, sizeof whose->client))
        return request_json_refuse(call, -1, "client", "the name of a client, at most 64 bytes");
    if (token >= 0 && !json_boolean(json, token, &keys))
        return request_json_refuse(call, -1, "keys", "true or false");
    if (keys || !call->server->conf->keys)
        return true;
    whose->all = 0;
    if (whose->client[0] != '\0')
        memcpy(whose->client, nameless, sizeof nameless);
    return true;
}

bool peers_read_done(struct call *call, struct queue_whose *whose) {
    int32_t node;
    return peers_read_node(call, &node) && read_whose(call, whose);
}

bool peers_read_reserve(struct call *call, struct queue_reserve *reserve) {
    const struct json *json = &call->server->json;
    char order[8];
    int64_t top;
    bool again;
    if (!peers_read_node(call, &reserve->node))
        return false;
    if (!peer_json_read_tag(json, request_json_member(call, "tag"), reserve->tag))
        return request_json_refuse(call, -1, "tag", tag_rule);
    if (!read_identity(call, &reserve->identity))
        return false;
    if (!json_integer(json, request_json_member(call, "top"), 1, QUEUE_PULL_MAX, &top))
        return request_json_refuse(call, -1, "top", "a whole number from 1 to 1000");
    if (!json_string(json, request_json_member(call, "order"), order, sizeof order) ||
        (strcmp(order, "latest") != 0 && strcmp(order, "oldest") != 0))
        return request_json_refuse(call, -1, "order", "latest or oldest");
    if (!json_boolean(json, request_json_member(call, "again"), &again))
        return request_json_refuse(call, -1, "again", "true or false");
    struct queue_whose whose;
    if (!read_whose(call, &whose))
        return false;
    memcpy(reserve->client, whose.client, sizeof reserve->client);
    reserve->top = (int32_t)top;
    reserve->oldest = strcmp(order, "oldest") == 0;
    reserve->again = again;
    return true;
}

bool peers_read_pulls(struct call *call, struct peers_pull *pulls, int *count) {
    const struct json *json = &call->server->json;
    int32_t node;
    if (!peers_read_node(call, &node))
        return false;
    int array = request_json_member(call, "pulls");
    *count = json_array_size(json, array);
    if (*count < 0 || *count > QUEUE_RESERVATIONS_MAX)
        return request_json_refuse(call, -1, "pulls", "an array of 0 to 64 pulls");
    int token = json_first(json, array);
    for (int i = 0; i < *count; i++) {
        if (!peer_json_read_tag(json, json_member(json, token, "tag"), pulls[i].tag))
            return request_json_refuse(call, -1, "tag in pulls", tag_rule);
        if (!json_boolean(json, json_member(json, token, "settled"), &pulls[i].settled))
            return request_json_refuse(call, -1, "settled in pulls", "true or false");
        token = json_next(json, token);
    }
    return true;
}

/* Reads which item of this node is meant, and for whom. */
static bool read_item(struct call *call) {
    int32_t node;
    return peers_read_node(call, &node) && read_id(call, "id", "the id of an item", &call->id) &&
           read_whose(call, &call->whose);
}

bool peers_read_look(struct call *call, int64_t *wait_seconds) {
    if (!read_item(call))
        return false;
    return json_integer(&call->server->json, request_json_member(call, "wait"), 0, WAIT_SECONDS_MAX,
                        wait_seconds) ||
           request_json_refuse(call, -1, "wait", "whole seconds from 0 to 30");
}

bool peers_read_cancel(struct call *call, struct queue_cancel *cancel) {
    if (!read_item(call))
        return false;
    int token = request_json_member(call, "operator");
    *cancel = (struct queue_cancel){.id = call->id, .whose = call->whose};
    return token < 0 ||
           (json_string(&call->server->json, token, cancel->who, sizeof cancel->who) &&
            queue_is_name(cancel->who)) ||
           request_json_refuse(call, -1, "operator", "the name of an operator's key");
}

bool peers_read_list(struct call *call, int32_t *node, struct queue_list *list) {
    const struct json *json = &call->server->json;
    int64_t limit;
    if (!peers_read_node(call, node) || !read_whose(call, &list->whose))
        return false;
    int state = request_json_member(call, "state");
    int after = request_json_member(call, "after");
    list->state = -1;
    list->has_after = after >= 0;
    if (state >= 0 && !peer_json_read_state(json, state, &list->state))
        return request_json_refuse(call, -1, "state", "waiting, leased, done, pulled or cancelled");
    if (after >= 0 && !fields_read_id(json, after, &list->after))
        return request_json_refuse(call, -1, "after", "the id of an item");
    if (!json_integer(json, request_json_member(call, "limit"), 1, QUEUE_LIST_MAX, &limit))
        return request_json_refuse(call, -1, "limit", "a whole number from 1 to 1000");
    list->limit = (int32_t)limit;
    return true;
}
