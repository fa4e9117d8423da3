#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "peer_json.h"
#include "peering_parts.h"
#include "queue/fields.h"

enum {
    PAUSE_MAX_MS = 5000, /* a returning peer is noticed by its hello anyway */
    BYTES_TIMEOUT_MS = 30000
};

struct buffer *peering_begin(struct peering *peering) {
    struct buffer *body = &peering->body;
    buffer_clear(body);
    json_open(body, '{');
    fields_put_integer(body, "protocol", PEER_PROTOCOL);
    fields_put_integer(body, "node", peering->conf->node);
    return body;
}

/* Posts a body of a type to a path of the peer, with the id of the request that the log has now. */
static struct http_call *post(struct peering *peering, const char *path,
                              struct http_request *request) {
    const char *base = peering->conf->peer.url;
    size_t length = strlen(base);
    const struct log_request part_of = log_get_request();
    char header[sizeof "X-Request-Id: " + LOG_REQUEST_SIZE];
    struct buffer url = {0};
    buffer_append(&url, base, length - (length > 0 && base[length - 1] == '/'));
    buffer_append(&url, path, strlen(path) + 1);
    request->url = url.data;
    request->bearer = peering->conf->peer_token;
    snprintf(header, sizeof header, "X-Request-Id: %s", part_of.id);
    request->header = part_of.id[0] != '\0' ? header : NULL;
    struct http_call *call = http_post(peering->http, request);
    buffer_free(&url);
    return call;
}

struct http_call *peering_post(struct peering *peering, const char *path, int64_t timeout_ms,
                               http_done *done, void *context) {
    json_close(&peering->body, '}');
    return post(peering, path,
                &(struct http_request){.body = peering->body.data,
                                       .length = peering->body.length,
                                       .timeout_ms = timeout_ms,
                                       .done = done,
                                       .context = context});
}

struct http_call *peering_post_hello(struct peering *peering, int64_t timeout_ms, http_done *done) {
    json_close(&peering->body, '}');
    return post(peering, "/peer/hello",
                &(struct http_request){.body = peering->body.data,
                                       .length = peering->body.length,
                                       .timeout_ms = timeout_ms,
                                       .apart = true,
                                       .done = done,
                                       .context = peering});
}

struct http_call *peering_post_bytes(struct peering *peering, const char *path,
                                     const struct buffer *bytes, http_done *done) {
    return post(peering, path,
                &(struct http_request){.body = bytes->data,
                                       .length = bytes->length,
                                       .type = "application/octet-stream",
                                       .timeout_ms = BYTES_TIMEOUT_MS,
                                       .done = done,
                                       .context = peering});
}

static bool parse(struct peering *peering, const struct http_reply *reply) {
    const char *ignored;
    return reply->status != 0 && json_parse(&peering->json, reply->body, reply->length, &ignored);
}

/* Writes what is wrong with a reply that is not 200. */
static void complain(struct peering *peering, const struct http_reply *reply, char *why,
                     size_t why_size) {
    char detail[200] = "";
    if (reply->status == 0) {
        snprintf(why, why_size, "%s", reply->error);
        return;
    }
    if (parse(peering, reply))
        json_string(&peering->json, json_member(&peering->json, 0, "detail"), detail,
                    sizeof detail);
    snprintf(why, why_size, "status %d%s%s", reply->status, detail[0] ? ": " : "", detail);
}

bool peering_read_reply(struct peering *peering, const struct http_reply *reply, char *why,
                        size_t why_size) {
    int64_t node;
    child_busy();
    if (reply->status >= 200 && reply->status < 500) /* else it may be of a proxy only */
        peering_heard(peering);
    if (reply->status != 200) {
        complain(peering, reply, why, why_size);
        return false;
    }
    if (!parse(peering, reply)) {
        snprintf(why, why_size, "its reply is no JSON");
        return false;
    }
    if (!json_integer(&peering->json, json_member(&peering->json, 0, "node"), 0, NODE_MAX, &node) ||
        node != peering->conf->peer.node) {
        snprintf(why, why_size, "it does not say that it is node %d; see PEERS",
                 peering->conf->peer.node);
        return false;
    }
    return true;
}

bool peering_is_problem(struct peering *peering, const struct http_reply *reply, int status,
                        const char *name) {
    char type[80] = "";
    char wanted[80];
    snprintf(wanted, sizeof wanted, "urn:hashmill:problem:%s", name);
    return reply->status == status && parse(peering, reply) &&
           json_string(&peering->json, json_member(&peering->json, 0, "type"), type, sizeof type) &&
           strcmp(type, wanted) == 0;
}

void peering_succeeded(struct peering *peering, struct retry *retry, const char *what) {
    const struct peer *peer = &peering->conf->peer;
    int64_t seconds;
    if (retry_succeeded(retry, &seconds))
        log_info("node %d at %s: %s works again", peer->node, peer->url, what);
}

void peering_failed(struct peering *peering, struct retry *retry, const char *what,
                    const char *why) {
    const struct peer *peer = &peering->conf->peer;
    retry_delay(retry, 0, PAUSE_MAX_MS);
    if (retry_failed(retry))
        log_warn("node %d at %s: %s failed, trying again: %s", peer->node, peer->url, what, why);
    else
        log_debug("node %d at %s: %s failed again: %s", peer->node, peer->url, what, why);
}

bool peering_may_call(const struct peering *peering, const struct retry *retry) {
    return peering->known && !peering->stopping && !peering_is_away(peering) && retry_is_due(retry);
}
