#include "conf_peers.h"

#include <stdlib.h>
#include <string.h>

#include "http.h"

enum { TOKEN_MIN = 16, NODE_MAX = 255 };

const struct peer *conf_peer(const struct conf *conf, int node) {
    for (int i = 0; i < conf->peer_count; i++) {
        if (conf->peers[i].node == node)
            return &conf->peers[i];
    }
    return NULL;
}

/* Reads NODE=URL. False when it is none, or not one of another node. */
static bool read_peer(const struct conf *conf, const char *text, size_t length, struct peer *peer) {
    char *end;
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
    return http_is_base_url(peer->url) && node != conf->node && !conf_peer(conf, (int)node);
}

/* Reads PEERS; as in a worker's NODES, commas and blanks divide, and empty pieces are skipped. */
static bool read_list(struct conf *conf, char *why, size_t why_size) {
    const char *at = conf->peers_text;
    conf->peer_count = 0;
    while (*(at += strspn(at, ", \t")) != '\0') {
        size_t length = strcspn(at, ", \t");
        if (conf->peer_count == PEERS_MAX ||
            !read_peer(conf, at, length, &conf->peers[conf->peer_count])) {
            snprintf(why, why_size,
                     "PEERS: \"%.*s\" must be NODE=URL with the number of another node than %lld, "
                     "named once, like 1=http://10.0.0.2:8081; at most %d of them",
                     length < 300 ? (int)length : 300, at, (long long)conf->node, PEERS_MAX);
            return false;
        }
        conf->peer_count++;
        at += length;
    }
    return true;
}

static bool read_copying(struct conf *conf) {
    static const char *const names[] = {
        [COPY_NONE] = "none", [COPY_ASYNC] = "async", [COPY_SYNC] = "sync"};
    for (int i = COPY_NONE; i <= COPY_SYNC; i++) {
        if (strcasecmp(conf->copy_text, names[i]) == 0) {
            conf->copying = conf->peer_count > 0 ? (enum copying)i : COPY_NONE;
            return true;
        }
    }
    return false;
}

bool conf_read_peers(struct conf *conf, char *why, size_t why_size) {
    if (!read_list(conf, why, why_size))
        return false;
    size_t token = strlen(conf->peer_token);
    if ((conf->peer_count > 0 || token > 0) && token < TOKEN_MIN) {
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
