#include "replica_parse.h"

#include <string.h>

#include "hex.h"
#include "http/problem.h"
#include "http/request_json.h"
#include "peering/peer_json.h"
#include "peers_parse.h"
#include "queue/fields.h"
#include "queue/id.h"
#include "queue/pages.h"

enum { BODY_BYTES_MAX = 16 * 1024 * 1024, ENTRY_BYTES = 8 + PAGE_BYTES };

/* A number of the query. */
static bool read_number(struct call *call, const char *name, int64_t min, int64_t max,
                        int64_t *value) {
    char why[WHY_SIZE];
    if (query_integer(&call->query, name, min, max, value, why, sizeof why))
        return true;
    problem_reply(&call->server->reply, PROBLEM_BAD_PARAMETER, "%s", why);
    return false;
}

static bool read_id(struct call *call, const char *name, struct uuid *id) {
    const char *text = query_text(&call->query, name);
    if (text && id_parse(id, text))
        return true;
    problem_reply(&call->server->reply, PROBLEM_BAD_PARAMETER, "%s must be given, as a UUID.",
                  name);
    return false;
}

static bool read_peer(struct call *call, int32_t *node) {
    int64_t number;
    if (!read_number(call, "node", 0, NODE_MAX, &number))
        return false;
    *node = (int32_t)number;
    return peers_know(call, *node);
}

bool replica_read_source(struct call *call, struct replica_source *source) {
    int64_t complete = 0;
    bool good =
        read_peer(call, &source->node) && read_id(call, "database", &source->identity.database) &&
        read_number(call, "epoch", 0, QUEUE_EPOCH_MAX, &source->identity.epoch) &&
        read_number(call, "schema", 1, INT32_MAX, &source->schema) &&
        (!query_text(&call->query, "complete") || read_number(call, "complete", 0, 1, &complete));
    source->complete = (int32_t)complete;
    return good;
}

static void append(void *context, const char *bytes, size_t length) {
    buffer_append(context, bytes, length);
}

/* Reads the whole body into server->text. */
static bool read_body(struct call *call) {
    struct server *server = call->server;
    buffer_clear(&server->text);
    enum request_body result =
        request_read_body(call->request, BODY_BYTES_MAX, append, &server->text);
    if (result != REQUEST_BODY_OK)
        problem_of_body(&server->reply, result, BODY_BYTES_MAX);
    return result == REQUEST_BODY_OK;
}

bool replica_read_records(struct call *call) {
    if (!read_body(call))
        return false;
    const char *bytes = call->server->text.data;
    size_t left = call->server->text.length;
    struct batch_record record;
    size_t used = 1;
    while (left > 0 && (used = batch_record_read(bytes, left, &record)) > 0) {
        bytes += used;
        left -= used;
    }
    if (used == 0)
        problem_reply(&call->server->reply, PROBLEM_BAD_BODY,
                      "The body is no run of whole records of batches. Nothing was stored.");
    return used > 0;
}

bool replica_read_part(struct call *call, struct replica_part *part) {
    int64_t last;
    int64_t differs = 0;
    if (!read_id(call, "copy", &part->copy) ||
        (query_text(&call->query, "differs") && !read_number(call, "differs", 0, 1, &differs)) ||
        !read_number(call, "part", 0, INT32_MAX, &part->number) ||
        !read_number(call, "bytes", 0, PAGES_BYTES_MAX, &part->file_bytes) ||
        !read_number(call, "last", 0, 1, &last) || !read_body(call))
        return false;
    part->last = last == 1;
    part->differs = differs == 1;
    part->pages = call->server->text.data;
    part->length = call->server->text.length;
    if (part->length % ENTRY_BYTES == 0 && part->file_bytes % PAGE_BYTES == 0)
        return true;
    problem_reply(&call->server->reply, PROBLEM_BAD_BODY,
                  "The body must be pages of 4096 bytes, each behind its offset of 8, and bytes a "
                  "multiple of 4096. Nothing was stored.");
    return false;
}

bool replica_read_range(struct call *call, struct queue_range *range) {
    const char *hash = query_text(&call->query, "hash");
    if (!read_number(call, "batch", 0, INT64_MAX, &range->batch) ||
        !read_number(call, "first", 0, INT64_MAX, &range->first) ||
        !read_number(call, "last", 0, INT64_MAX, &range->last))
        return false;
    if (hash && hex_decode(range->hash, sizeof range->hash, hash, strlen(hash)))
        return true;
    problem_reply(&call->server->reply, PROBLEM_BAD_PARAMETER,
                  "hash must be given, as 64 lower-case hex digits.");
    return false;
}

/* The two members that name a database. */
static bool read_identity(struct call *call, struct queue_identity *identity) {
    const struct json *json = &call->server->json;
    if (!fields_read_id(json, request_json_member(call, "database"), &identity->database))
        return request_json_refuse(call, -1, "database", "the id of a database, a UUID");
    return json_integer(json, request_json_member(call, "epoch"), 0, QUEUE_EPOCH_MAX,
                        &identity->epoch) ||
           request_json_refuse(call, -1, "epoch", "the epoch of that database");
}

bool replica_read_caller(struct call *call, struct replica_source *source, bool *named) {
    if (!peers_read_node(call, &source->node))
        return false;
    *named = request_json_member(call, "database") >= 0;
    return !*named || read_identity(call, &source->identity);
}

bool replica_read_taker(struct call *call, struct replica_source *source) {
    return peers_read_node(call, &source->node) && read_identity(call, &source->identity);
}

bool replica_read_piece(struct call *call, struct replica_piece *piece) {
    return read_peer(call, &piece->node) &&
           read_number(call, "epoch", 0, QUEUE_EPOCH_MAX, &piece->epoch) &&
           read_number(call, "at", 0, PAGES_BYTES_MAX, &piece->at) &&
           read_number(call, "length", 1, REPLICA_READ_MAX, &piece->length);
}
