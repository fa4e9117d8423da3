#include "conf_peers.h"

#include <stdlib.h>
#include <string.h>

#include "http.h"
#include "protocol.h"

enum { TOKEN_MIN = 16 };

const struct peer *conf_peer(const struct conf *conf, int node) {
    return conf->has_peer && conf->peer.node == node ? &conf->peer : NULL;
}

/* Reads NODE=URL. False for anything else, and for this node's NODE. */
static bool read_peer(struct conf *conf, const char *text, size_t length) {
    char *end;
    struct peer *peer = &conf->peer;
    const char *equals = memchr(text, '=', length);
    long node = strtol(text, &end, 10);
    if (!equals || end != equals || *text < '0' || *text > '9' || node > NODE_MAX)
        return false;
    size_t url_length = length - (size_t)(equals + 1 - text);
    if (url_length >= sizeof peer->url)
        return false;
    peer->node = (int)node;
    memcpy(peer->url, equals + 1, url_length);
    peer->url[url_length] = '\0';
    return http_is_base_url(peer->url) && node != conf->node;
}

/* Reads PEERS, at most one other node; skips blanks and commas around it. */
static bool read_list(struct conf *conf, char *why, size_t why_size) {
    static const char between[] = ", \t";
    const char *at = conf->peers_text + strspn(conf->peers_text, between);
    size_t length = strcspn(at, between);
    conf->has_peer = false;
    if (length == 0)
        return true;
    if (at[length + strspn(at + length, between)] != '\0') {
        snprintf(
            why, why_size,
            "PEERS names more than one other node: two nodes can help each other; more of them "
            "need one PostgreSQL database, which this version cannot use");
        return false;
    }
    conf->has_peer = read_peer(conf, at, length);
    if (!conf->has_peer)
        snprintf(why, why_size,
                 "PEERS: \"%.*s\" must be NODE=URL with the number of another node than %lld, like "
                 "1=https://10.0.0.2:8443",
                 length < 300 ? (int)length : 300, at, (long long)conf->node);
    return conf->has_peer;
}

static bool read_copying(struct conf *conf) {
    static const char *const names[] = {
        [COPY_NONE] = "none", [COPY_ASYNC] = "async", [COPY_SYNC] = "sync"};
    for (int i = COPY_NONE; i <= COPY_SYNC; i++) {
        if (strcasecmp(conf->copy_text, names[i]) == 0) {
            conf->copying = conf->has_peer ? (enum copying)i : COPY_NONE;
            return true;
        }
    }
    return false;
}

bool conf_read_peers(struct conf *conf, char *why, size_t why_size) {
    if (!read_list(conf, why, why_size))
        return false;
    size_t token = strlen(conf->peer_token);
    if ((conf->has_peer || token > 0) && token < TOKEN_MIN) {
        snprintf(why, why_size, "PEER_TOKEN must have at least %d bytes; make one with: %s",
                 TOKEN_MIN, "openssl rand -hex 32");
        return false;
    }
    if (token > 0 && strcmp(conf->peer_token, conf->worker_token) == 0) {
        snprintf(why, why_size, "PEER_TOKEN and WORKER_TOKEN must differ: workers are no nodes");
        return false;
    }
    if (read_copying(conf))
        return true;
    snprintf(why, why_size, "COPY must be none, async or sync");
    return false;
}
