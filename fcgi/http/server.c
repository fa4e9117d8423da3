#include "server.h"

#include <stdlib.h>

#include "log.h"

/* Makes a hash to be begun with EVP_DigestInit_ex(hash, NULL, NULL): looking the algorithm up for
 * each request would cost some microseconds. NULL on failure. */
static EVP_MD_CTX *new_hash(const EVP_MD *algorithm) {
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    if (hash && EVP_DigestInit_ex(hash, algorithm, NULL) == 1)
        return hash;
    EVP_MD_CTX_free(hash);
    return NULL;
}

/* Allocates what the struct points to. False when something is missing. */
static bool fill(struct server *server, const struct child_job *job) {
    server->conf = job->conf;
    server->listener = job->listener;
    server->sha512 = new_hash(EVP_sha512());
    server->sha256 = new_hash(EVP_sha256());
    server->queue = queue_open(job->conf, job->channel);
    if (job->conf->has_peer &&
        !(server->peer_client = peer_client_open(job->peering, job->conf->peer_ms)))
        return false;
    return server->sha512 && server->sha256 && server->queue && request_setup();
}

struct server *server_open(const struct child_job *job, const struct route *routes) {
    struct server *server = calloc(1, sizeof *server);
    if (server)
        server->routes = routes;
    if (server && fill(server, job))
        return server;
    log_error("this process cannot start for want of memory; give this machine more");
    server_close(server);
    return NULL;
}

void server_turn_to(struct server *server, const struct request *request) {
    server->reply.request_id = request ? request->id : NULL;
    log_set_request(server->reply.request_id);
}

const char *call_field(const struct call *call, const char *name) {
    return request_field(call->request, name, &call->server->field);
}

void server_close(struct server *server) {
    if (!server)
        return;
    if (server->queue)
        queue_close(server->queue);
    peer_client_close(server->peer_client);
    EVP_MD_CTX_free(server->sha512);
    EVP_MD_CTX_free(server->sha256);
    reply_free(&server->reply);
    buffer_free(&server->field);
    buffer_free(&server->text);
    json_free(&server->json);
    free(server);
}
