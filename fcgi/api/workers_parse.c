#include "workers_parse.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "http/request_json.h"
#include "protocol.h"
#include "queue/fields.h"

enum { WAIT_SECONDS_MAX = 25, CORES_MAX = 1000000 };

/* Iterations a second; no machine comes near. Sums over all workers stay far from overflow. */
#define RATE_MAX INT64_C(100000000000)

/* Whether text has no control characters, U+0080 to U+009F included; json_parse has checked the
 * UTF-8. */
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

/* The address of the caller, by nginx; "" when it passes none. */
static void read_address(const struct request *request, char address[QUEUE_ADDRESS_SIZE]) {
    unsigned char bytes[sizeof(struct in6_addr)];
    const char *text = request_parameter(request, "REMOTE_ADDR");
    bool good =
        text && (inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1);
    snprintf(address, QUEUE_ADDRESS_SIZE, "%s", good ? text : "");
}

/* Who calls is what its credential says, whatever the body has. */
static void read_identity(const struct call *call, struct queue_worker *worker) {
    const struct identity *identity = &call->identity;
    bool machine = identity->kind == IDENTITY_MACHINE;
    snprintf(worker->identity, sizeof worker->identity, "%s", identity->name);
    snprintf(worker->machine, sizeof worker->machine, "%s", machine ? identity->name : "");
}

static bool read_worker(struct call *call, struct queue_worker *worker) {
    const struct json *json = &call->server->json;
    int token = request_json_member(call, "worker");
    double rate;
    read_identity(call, worker);
    read_address(call->request, worker->address);
    if (!read_name(json, json_member(json, token, "name"), worker->name) || worker->name[0] == '\0')
        return request_json_refuse(call, -1, "worker.name", "a string of 1 to 64 printable bytes");
    if (!read_name(json, json_member(json, token, "kernel"), worker->kernel))
        return request_json_refuse(call, -1, "worker.kernel",
                                   "a string of 0 to 64 printable bytes");
    if (!json_integer(json, json_member(json, token, "cores"), 1, CORES_MAX, &worker->cores))
        return request_json_refuse(call, -1, "worker.cores", "a whole number from 1 to 1000000");
    if (!json_positive(json, json_member(json, token, "rate"), &rate))
        return request_json_refuse(call, -1, "worker.rate", "iterations a second, 0 or more");
    worker->rate = rate < (double)RATE_MAX ? (int64_t)rate : RATE_MAX;
    return true;
}

/* Reads what all bodies have in common. */
static bool read_common(struct call *call, struct queue_worker *worker) {
    return request_json_read(call, WORKER_PROTOCOL) && read_worker(call, worker);
}

bool workers_read_lease(struct call *call, struct queue_lease *lease) {
    const struct json *json = &call->server->json;
    int64_t items;
    int64_t seconds;
    if (!read_common(call, &lease->worker))
        return false;
    if (!fields_read_id(json, request_json_member(call, "request"), &lease->request))
        return request_json_refuse(call, -1, "request", "a UUID of the worker's making");
    if (!json_integer(json, request_json_member(call, "items"), 1, QUEUE_LEASE_MAX, &items))
        return request_json_refuse(call, -1, "items", "a whole number from 1 to 512");
    if (!json_integer(json, request_json_member(call, "iterations"), 1, INT64_MAX,
                      &lease->iterations))
        return request_json_refuse(call, -1, "iterations", "a whole number of 1 or more");
    if (!json_integer(json, request_json_member(call, "wait"), 0, WAIT_SECONDS_MAX, &seconds))
        return request_json_refuse(call, -1, "wait", "whole seconds from 0 to 25");
    if (lease->iterations > QUEUE_ITERATIONS_MAX)
        lease->iterations = QUEUE_ITERATIONS_MAX;
    lease->items = (int32_t)items;
    lease->wait_ms = (int32_t)seconds * 1000;
    return true;
}

/* Reads one element of a report. */
static bool read_report_item(struct call *call, int token, int index,
                             struct queue_report_item *item) {
    const struct json *json = &call->server->json;
    int release_token = json_member(json, token, "release");
    bool release = false;
    if (!fields_read_id(json, json_member(json, token, "id"), &item->id))
        return request_json_refuse(call, index, "id", "the id of an item");
    if (!fields_read_id(json, json_member(json, token, "lease"), &item->lease))
        return request_json_refuse(call, index, "lease", "the id of the item's lease");
    if (!fields_read_digest(json, json_member(json, token, "chain"), item->chain))
        return request_json_refuse(call, index, "chain", "128 lower-case hex digits");
    if (!json_integer(json, json_member(json, token, "remaining"), 0, QUEUE_ITERATIONS_MAX,
                      &item->remaining))
        return request_json_refuse(call, index, "remaining", "a whole number from 0 to 2^53 - 1");
    if (release_token >= 0 && !json_boolean(json, release_token, &release))
        return request_json_refuse(call, index, "release", "true or false, or be left out");
    item->release = release;
    item->reserved = 0;
    return true;
}

bool workers_read_report(struct call *call, struct queue_report *report) {
    const struct json *json = &call->server->json;
    if (!read_common(call, &report->worker))
        return false;
    int array = request_json_member(call, "items");
    int count = json_array_size(json, array);
    if (count < 1 || count > QUEUE_LEASE_MAX)
        return request_json_refuse(call, -1, "items", "an array of 1 to 512 items");
    int token = json_first(json, array);
    for (int i = 0; i < count; i++) {
        if (!read_report_item(call, token, i, &report->items[i]))
            return false;
        token = json_next(json, token);
    }
    report->count = count;
    return true;
}

bool workers_read_retire(struct call *call, struct queue_worker *worker) {
    return read_common(call, worker);
}
