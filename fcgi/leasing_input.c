#include "leasing_input.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "hex.h"
#include "id.h"
#include "problem.h"

enum {
    PROTOCOL = 1,
    JSON_BYTES_MAX = 524288,
    WAIT_SECONDS_MAX = 25,
    CORES_MAX = 1000000,
};

static void append(void *context, const char *bytes, size_t length) {
    buffer_append(context, bytes, length);
}

/* Refuses one field of the body, or of the element at index if that is not negative. */
static bool refuse(struct call *call, int index, const char *field, const char *rule) {
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

/* The root's member of that name, or -1. */
static int member(const struct call *call, const char *name) {
    return json_member(&call->server->json, 0, name);
}

static bool check_protocol(struct call *call) {
    int64_t protocol;
    if (!json_integer(&call->server->json, member(call, "protocol"), INT64_MIN, INT64_MAX,
                      &protocol))
        return refuse(call, -1, "protocol", "the number of the protocol, 1");
    if (protocol == PROTOCOL)
        return true;
    problem_reply(&call->server->reply, PROBLEM_PROTOCOL,
                  "This node speaks protocol %d; run a worker of the same version as the node.",
                  PROTOCOL);
    return false;
}

/* Whether text is UTF-8 without control characters, U+0080 to U+009F included; json_parse has seen
 * to the UTF-8. */
static bool is_printable(const char *text) {
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++) {
        if (*at < 0x20 || *at == 0x7f || (*at == 0xc2 && at[1] < 0xa0))
            return false;
    }
    return true;
}

/* Reads a worker's name or kernel. */
static bool read_name(const struct json *json, int token, char name[QUEUE_NAME_SIZE]) {
    return json_string(json, token, name, QUEUE_NAME_SIZE) && is_printable(name);
}

/* Reads the optional name of the machine that a node has launched the worker on. */
static bool read_machine(const struct json *json, int token, char machine[QUEUE_NAME_SIZE]) {
    machine[0] = '\0';
    return token < 0 || read_name(json, token, machine);
}

/* The address that nginx says the call came from; "" when it says none. */
static void read_address(const struct request *request, char address[QUEUE_ADDRESS_SIZE]) {
    unsigned char bytes[sizeof(struct in6_addr)];
    const char *text = request_parameter(request, "REMOTE_ADDR");
    bool good =
        text && (inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1);
    snprintf(address, QUEUE_ADDRESS_SIZE, "%s", good ? text : "");
}

static bool read_worker(struct call *call, struct queue_worker *worker) {
    const struct json *json = &call->server->json;
    int token = member(call, "worker");
    double rate;
    read_address(call->request, worker->address);
    if (!read_name(json, json_member(json, token, "name"), worker->name) || worker->name[0] == '\0')
        return refuse(call, -1, "worker.name", "a string of 1 to 64 printable bytes");
    if (!read_name(json, json_member(json, token, "kernel"), worker->kernel))
        return refuse(call, -1, "worker.kernel", "a string of 0 to 64 printable bytes");
    if (!read_machine(json, json_member(json, token, "machine"), worker->machine))
        return refuse(call, -1, "worker.machine", "a string of 0 to 64 printable bytes");
    if (!json_integer(json, json_member(json, token, "cores"), 1, CORES_MAX, &worker->cores))
        return refuse(call, -1, "worker.cores", "a whole number from 1 to 1000000");
    if (!json_positive(json, json_member(json, token, "rate"), &rate))
        return refuse(call, -1, "worker.rate", "iterations a second, 0 or more");
    worker->rate = rate < (double)QUEUE_ITERATIONS_MAX ? (int64_t)rate : QUEUE_ITERATIONS_MAX;
    return true;
}

static bool read_uuid(const struct json *json, int token, struct uuid *id) {
    char text[ID_TEXT_SIZE];
    return json_string(json, token, text, sizeof text) && id_parse(id, text);
}

/* What all bodies have in common. */
static bool read_common(struct call *call, struct queue_worker *worker) {
    return read_json(call) && check_protocol(call) && read_worker(call, worker);
}

bool leasing_read_lease(struct call *call, struct queue_lease *lease) {
    const struct json *json = &call->server->json;
    int64_t items;
    int64_t seconds;
    if (!read_common(call, &lease->worker))
        return false;
    if (!read_uuid(json, member(call, "request"), &lease->request))
        return refuse(call, -1, "request", "a UUID of the worker's making");
    if (!json_integer(json, member(call, "items"), 1, QUEUE_LEASE_MAX, &items))
        return refuse(call, -1, "items", "a whole number from 1 to 512");
    if (!json_integer(json, member(call, "iterations"), 1, INT64_MAX, &lease->iterations))
        return refuse(call, -1, "iterations", "a whole number of 1 or more");
    if (!json_integer(json, member(call, "wait"), 0, WAIT_SECONDS_MAX, &seconds))
        return refuse(call, -1, "wait", "whole seconds from 0 to 25");
    if (lease->iterations > QUEUE_ITERATIONS_MAX)
        lease->iterations = QUEUE_ITERATIONS_MAX;
    lease->items = (int32_t)items;
    lease->wait_ms = (int32_t)seconds * 1000;
    return true;
}

static bool read_chain(const struct json *json, int token, uint8_t chain[DIGEST_SIZE]) {
    const char *text;
    size_t length;
    return json_plain(json, token, &text, &length) && hex_decode(chain, DIGEST_SIZE, text, length);
}

/* Reads one element of a report. */
static bool read_report_item(struct call *call, int token, int index,
                             struct queue_report_item *item) {
    const struct json *json = &call->server->json;
    int release_token = json_member(json, token, "release");
    bool release = false;
    if (!read_uuid(json, json_member(json, token, "id"), &item->id))
        return refuse(call, index, "id", "the id of an item");
    if (!read_uuid(json, json_member(json, token, "lease"), &item->lease))
        return refuse(call, index, "lease", "the id of the item's lease");
    if (!read_chain(json, json_member(json, token, "chain"), item->chain))
        return refuse(call, index, "chain", "128 lower-case hex digits");
    if (!json_integer(json, json_member(json, token, "remaining"), 0, QUEUE_ITERATIONS_MAX,
                      &item->remaining))
        return refuse(call, index, "remaining", "a whole number from 0 to 2^53 - 1");
    if (release_token >= 0 && !json_boolean(json, release_token, &release))
        return refuse(call, index, "release", "true or false, or be left out");
    item->release = release;
    item->reserved = 0;
    return true;
}

bool leasing_read_report(struct call *call, struct queue_report *report) {
    const struct json *json = &call->server->json;
    if (!read_common(call, &report->worker))
        return false;
    int array = member(call, "items");
    int count = json_array_size(json, array);
    if (count < 1 || count > QUEUE_LEASE_MAX)
        return refuse(call, -1, "items", "an array of 1 to 512 items");
    int token = json_first(json, array);
    for (int i = 0; i < count; i++) {
        if (!read_report_item(call, token, i, &report->items[i]))
            return false;
        token = json_next(json, token);
    }
    report->count = count;
    return true;
}

bool leasing_read_retire(struct call *call, struct queue_worker *worker) {
    return read_common(call, worker);
}
