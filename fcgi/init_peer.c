#include "init_peer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "http.h"
#include "log.h"
#include "peering/peer_json.h"
#include "queue/fields.h"
#include "queue/id.h"
#include "queue/pages.h"

enum {
    TAKE_TIMEOUT_MS = 60000, /* the peer prepares its file first */
    READ_TIMEOUT_MS = 30000,
    READ_BYTES = 512 * 1024, /* less than HTTP_REPLY_BYTES_MAX */
    WAIT_MS = 1000,
    PATH_SIZE = 200
};

struct init_peer {
    const struct conf *conf;
    struct http *http;
    struct json json;
    struct buffer body; /* of the request */
    struct buffer text; /* of the reply */
    bool over;
    int status;
    char why[400];
};

struct init_peer *init_peer_open(const struct conf *conf) {
    struct http_tls tls = conf_tls(conf);
    struct init_peer *peer = calloc(1, sizeof *peer);
    if (peer)
        peer->conf = conf;
    if (peer && (peer->http = http_open(&tls)) != NULL)
        return peer;
    log_error("the peer cannot be asked: out of memory");
    free(peer);
    return NULL;
}

void init_peer_close(struct init_peer *peer) {
    http_close(peer->http);
    json_free(&peer->json);
    buffer_free(&peer->body);
    buffer_free(&peer->text);
    free(peer);
}

const char *init_peer_why(const struct init_peer *peer) {
    return peer->why;
}

void init_peer_pause(struct init_peer *peer, int ms) {
    int64_t until_ms = clock_steady_ms() + ms;
    while (clock_steady_ms() < until_ms)
        http_wait(peer->http, NULL, 0, clock_timeout_ms(until_ms));
}

static void take_reply(void *context, const struct http_reply *reply) {
    struct init_peer *peer = context;
    peer->over = true;
    peer->status = reply->status;
    buffer_clear(&peer->text);
    buffer_append(&peer->text, reply->body, reply->length);
    if (reply->status == 0)
        snprintf(peer->why, sizeof peer->why, "%s", reply->error);
}

/* Notes the reason that a failed answer gives. Returns whether it is the problem peer-alive. */
static bool note_problem(struct init_peer *peer) {
    const struct json *json = &peer->json;
    const char *why;
    char detail[300];
    char type[80] = "";
    snprintf(peer->why, sizeof peer->why, "it answers %d", peer->status);
    if (!json_parse(&peer->json, peer->text.data, peer->text.length, &why))
        return false;
    if (json_string(json, json_member(json, 0, "detail"), detail, sizeof detail))
        snprintf(peer->why, sizeof peer->why, "it answers %d: %s", peer->status, detail);
    return json_string(json, json_member(json, 0, "type"), type, sizeof type) &&
           strcmp(type, "urn:hashmill:problem:peer-alive") == 0;
}

static enum init_reply meaning_of(struct init_peer *peer) {
    if (peer->status == 200)
        return INIT_ANSWERED;
    if (peer->status == 0)
        return INIT_AWAY;
    bool alive = note_problem(peer);
    if (peer->status >= 500)
        return INIT_LATER;
    if (peer->status == 409)
        return alive ? INIT_HEARD : INIT_OLDER;
    return peer->status == 404 ? INIT_NONE : INIT_NONSENSE;
}

/* Posts peer->body and waits for the answer. */
static enum init_reply call(struct init_peer *peer, const char *path, int64_t timeout_ms) {
    const char *base = peer->conf->peer.url;
    size_t length = strlen(base);
    struct buffer url = {0};
    buffer_append(&url, base, length - (length > 0 && base[length - 1] == '/'));
    buffer_append(&url, path, strlen(path) + 1);
    struct http_request request = {.url = url.data,
                                   .bearer = peer->conf->peer_token,
                                   .body = peer->body.data,
                                   .length = peer->body.length,
                                   .timeout_ms = timeout_ms,
                                   .done = take_reply,
                                   .context = peer};
    peer->over = false;
    http_post(peer->http, &request);
    while (!peer->over)
        http_wait(peer->http, NULL, 0, WAIT_MS);
    buffer_free(&url);
    return meaning_of(peer);
}

/* Begins a body. */
static struct buffer *begin(struct init_peer *peer) {
    buffer_clear(&peer->body);
    json_open(&peer->body, '{');
    fields_put_integer(&peer->body, "protocol", PEER_PROTOCOL);
    fields_put_integer(&peer->body, "node", peer->conf->node);
    return &peer->body;
}

/* Ends and posts a body of JSON, and parses the answer, which must be the peer's. */
static enum init_reply call_json(struct init_peer *peer, const char *path, int64_t timeout_ms) {
    const char *why = "it has no node";
    int64_t node;
    json_close(&peer->body, '}');
    enum init_reply reply = call(peer, path, timeout_ms);
    if (reply != INIT_ANSWERED)
        return reply;
    if (json_parse(&peer->json, peer->text.data, peer->text.length, &why) &&
        json_integer(&peer->json, json_member(&peer->json, 0, "node"), 0, NODE_MAX, &node)) {
        if (node == peer->conf->peer.node)
            return INIT_ANSWERED;
        why = "it is another node's: see PEERS";
    }
    snprintf(peer->why, sizeof peer->why, "its answer cannot be used: %s", why);
    return INIT_NONSENSE;
}

static bool read_number(const struct json *json, int object, const char *name, int64_t max,
                        int64_t *value) {
    return json_integer(json, json_member(json, object, name), 0, max, value);
}

static bool read_identity(const struct json *json, int object, struct queue_identity *identity) {
    return fields_read_id(json, json_member(json, object, "id"), &identity->database) &&
           read_number(json, object, "epoch", QUEUE_EPOCH_MAX, &identity->epoch);
}

static bool read_replica(const struct json *json, int object, struct init_replica *replica) {
    replica->there = true;
    replica->heard_seconds = -1;
    read_number(json, object, "heard_seconds", INT64_MAX, &replica->heard_seconds);
    read_number(json, object, "as_of", INT64_MAX, &replica->wall_ms);
    return read_identity(json, object, &replica->identity) &&
           read_number(json, object, "batch", INT64_MAX, &replica->batch) &&
           json_boolean(json, json_member(json, object, "complete"), &replica->complete) &&
           json_boolean(json, json_member(json, object, "bad"), &replica->bad);
}

/* Finds a member that is an object; *object is -1 when it is null. False when it is neither. */
static bool find_object(const struct json *json, const char *name, int *object) {
    int member = json_member(json, 0, name);
    if (member < 0)
        return false;
    bool null = json->text[json->tokens[member].start] == 'n';
    *object = null ? -1 : member;
    return null || json->tokens[member].type == JSMN_OBJECT;
}

enum init_reply init_peer_query(struct init_peer *peer, int64_t timeout_ms,
                                struct init_answer *answer) {
    const struct json *json = &peer->json;
    int replica;
    int known;
    *answer = (struct init_answer){0};
    begin(peer);
    enum init_reply reply = call_json(peer, "/peer/replica/state", timeout_ms);
    if (reply == INIT_HEARD || reply == INIT_OLDER || reply == INIT_NONE)
        return INIT_NONSENSE;
    if (reply != INIT_ANSWERED)
        return reply;
    if (find_object(json, "replica", &replica) && find_object(json, "known", &known) &&
        (replica < 0 || read_replica(json, replica, &answer->replica)) &&
        (known < 0 || read_identity(json, known, &answer->known)))
        return INIT_ANSWERED;
    *answer = (struct init_answer){0};
    snprintf(peer->why, sizeof peer->why, "its answer says nothing of a replica");
    return INIT_NONSENSE;
}

enum init_reply init_peer_take(struct init_peer *peer, const struct queue_identity *identity,
                               struct init_file *file) {
    struct buffer *body = begin(peer);
    fields_put_id(body, "database", identity->database);
    fields_put_integer(body, "epoch", identity->epoch);
    *file = (struct init_file){.identity = *identity};
    enum init_reply reply = call_json(peer, "/peer/replica/take", TAKE_TIMEOUT_MS);
    if (reply != INIT_ANSWERED)
        return reply;
    if (read_number(&peer->json, 0, "epoch", QUEUE_EPOCH_MAX, &file->identity.epoch) &&
        file->identity.epoch == identity->epoch &&
        read_number(&peer->json, 0, "batch", INT64_MAX, &file->batch) &&
        read_number(&peer->json, 0, "bytes", PAGES_BYTES_MAX, &file->bytes) && file->bytes > 0 &&
        file->bytes % PAGE_BYTES == 0)
        return INIT_ANSWERED;
    snprintf(peer->why, sizeof peer->why, "its answer does not say what the replica is");
    return INIT_NONSENSE;
}

enum init_reply init_peer_read(struct init_peer *peer, const struct init_file *file, int64_t at,
                               const char **bytes, size_t *length) {
    char path[PATH_SIZE];
    int64_t left = file->bytes - at;
    int64_t wanted = left < READ_BYTES ? left : READ_BYTES;
    snprintf(path, sizeof path,
             "/peer/replica/read?node=%" PRId64 "&epoch=%" PRId64 "&at=%" PRId64 "&length=%" PRId64,
             peer->conf->node, file->identity.epoch, at, wanted);
    begin(peer);
    json_close(&peer->body, '}');
    enum init_reply reply = call(peer, path, READ_TIMEOUT_MS);
    if (reply != INIT_ANSWERED)
        return reply;
    *bytes = peer->text.data;
    *length = peer->text.length;
    if (*length > 0 && (int64_t)*length <= wanted)
        return INIT_ANSWERED;
    snprintf(peer->why, sizeof peer->why, "it sends %zu bytes in place of %" PRId64, *length,
             wanted);
    return INIT_NONSENSE;
}
