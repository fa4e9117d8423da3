/* The call by which clients enqueue items. */

#include "enqueue.h"

#include "api.h"
#include "base/keys.h"
#include "body.h"
#include "http/accept.h"
#include "http/idempotency.h"
#include "http/problem.h"
#include "queue/fields.h"
#include "queue/id.h"
#include "quota.h"

/* 201 with the item's id. */
static void reply_created(struct call *call, struct uuid id, const uint8_t digest[DIGEST_SIZE]) {
    struct reply *reply = &call->server->reply;
    bool plain = accept_plain(call_field(call, "HTTP_ACCEPT"));
    char text[ID_TEXT_SIZE];
    id_format(text, id);
    reply_begin(reply, 201, plain ? "text/plain" : "application/json");
    buffer_printf(&reply->headers, "Location: /items/%s\r\n", text);
    if (plain) {
        buffer_printf(&reply->body, "%s\n", text);
        return;
    }
    json_open(&reply->body, '{');
    fields_put_id(&reply->body, "id", id);
    fields_put_digest(&reply->body, "digest", digest);
    json_close(&reply->body, '}');
}

bool enqueue_allows(struct call *call, int64_t iterations) {
    int64_t most = call->server->conf->iterations_max;
    if (iterations <= most)
        return quota_allows(call, iterations);
    problem_reply(&call->server->reply, PROBLEM_BAD_PARAMETER,
                  "iterations may be at most %lld here, which is this node's ITERATIONS_MAX. "
                  "Nothing was stored.",
                  (long long)most);
    return false;
}

void enqueue_client(struct call *call, struct queue_client *client) {
    const struct key *key = call->identity.key;
    int64_t most = call->server->conf->iterations_max;
    auth_client(&call->identity, client);
    client->quota.iterations =
        key && key->iterations_max > 0 && key->iterations_max < most ? key->iterations_max : most;
}

/* Reads how many iterations are asked for, and the key: the item of one that is known already gets
 * its id, whatever is allowed now. False with the reply in place. */
static bool read_item(struct call *call, struct queue_enqueue *item) {
    char why[WHY_SIZE];
    if (query_integer(&call->query, "iterations", 1, QUEUE_ITERATIONS_MAX, &item->iterations, why,
                      sizeof why))
        return idempotency_key(call, item->key) &&
               (item->key[0] != '\0' || enqueue_allows(call, item->iterations));
    problem_reply(&call->server->reply, PROBLEM_BAD_PARAMETER, "%s", why);
    return false;
}

void enqueue_refuse(struct call *call, const struct queue_quota *quota, int64_t iterations,
                    enum queue_result result, int seconds) {
    struct reply *reply = &call->server->reply;
    if (result == QUEUE_CONFLICT)
        problem_reply(reply, PROBLEM_KEY_CONFLICT,
                      "This idempotency key was used for another body or another number of "
                      "iterations; use a new key for new work.");
    else if (result == QUEUE_FULL)
        problem_full(reply, seconds);
    else if (result == QUEUE_TOO_LONG && !enqueue_allows(call, iterations))
        return;
    else if (!quota_refuse(call, quota, iterations, result, seconds))
        problem_of_write(reply, result);
}

bool enqueue_begin(struct call *call, struct queue_enqueue *item) {
    *item = (struct queue_enqueue){0};
    if (!read_item(call, item))
        return false;
    enqueue_client(call, &item->client);
    item->id = id_new((int)call->server->conf->node);
    return true;
}

void enqueue_reply(struct call *call, const struct queue_enqueue *item, enum queue_result result,
                   struct uuid id) {
    queue_left(call->server->queue, &call->left);
    if (result == QUEUE_OK)
        reply_created(call, id, item->digest);
    else
        enqueue_refuse(call, &item->client.quota, item->iterations, result,
                       queue_retry_seconds(call->server->queue));
    quota_reply(call, &item->client.quota);
}

void api_enqueue(struct call *call) {
    struct queue_enqueue item;
    struct uuid id;
    if (!enqueue_begin(call, &item) ||
        !body_read(call, (size_t)call->server->conf->body_bytes_max, NULL, item.digest))
        return;
    enum queue_result result = queue_enqueue(call->server->queue, &item, &id);
    enqueue_reply(call, &item, result, id);
}
