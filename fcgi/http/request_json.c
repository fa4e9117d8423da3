#include "request_json.h"

#include <stdio.h>

#include "problem.h"

enum { JSON_BYTES_MAX = 524288 };

static void append(void *context, const char *bytes, size_t length) {
    buffer_append(context, bytes, length);
}

bool request_json_refuse(struct call *call, int index, const char *field, const char *rule) {
    struct reply *reply = &call->server->reply;
    if (index < 0)
        problem_reply(reply, PROBLEM_BAD_BODY, "%s must be %s. Nothing was changed.", field, rule);
    else
        problem_reply(reply, PROBLEM_BAD_BODY, "items[%d].%s must be %s. Nothing was changed.",
                      index, field, rule);
    return false;
}

/* Reads the body and parses it into server->json. */
static bool read_json(struct call *call) {
    struct server *server = call->server;
    const char *why;
    buffer_clear(&server->text);
    enum request_body result =
        request_read_body(call->request, JSON_BYTES_MAX, append, &server->text);
    if (result != REQUEST_BODY_OK) {
        problem_of_body(&server->reply, result, JSON_BYTES_MAX);
        return false;
    }
    buffer_reserve(&server->text, 1);
    if (!json_parse(&server->json, server->text.data, server->text.length, &why)) {
        problem_reply(&server->reply, PROBLEM_BAD_BODY, "The body is no JSON to work with: %s.",
                      why);
        return false;
    }
    return true;
}

int request_json_member(const struct call *call, const char *name) {
    return json_member(&call->server->json, 0, name);
}

bool request_json_read(struct call *call, int protocol) {
    char rule[48];
    int64_t spoken;
    if (!read_json(call))
        return false;
    snprintf(rule, sizeof rule, "the number of the protocol, %d", protocol);
    if (!json_integer(&call->server->json, request_json_member(call, "protocol"), INT64_MIN,
                      INT64_MAX, &spoken))
        return request_json_refuse(call, -1, "protocol", rule);
    if (spoken == protocol)
        return true;
    problem_reply(&call->server->reply, PROBLEM_PROTOCOL,
                  "This node speaks protocol %d; run workers and nodes of the same version.",
                  protocol);
    return false;
}
