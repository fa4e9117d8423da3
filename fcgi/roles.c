/* Which process runs what. */

#include "roles.h"

#include <string.h>

#include "api/api.h"
#include "http/serve.h"
#include "peering/peering.h"
#include "queue/replica.h"
#include "scaler/scaler.h"
#include "writer/writer.h"

static int serve_short(const struct child_job *job) {
    return serve_requests(job, api_routes, NULL);
}

static int serve_replica(const struct child_job *job) {
    struct replica *replica = replica_open(job->conf);
    int exit_code = replica ? serve_requests(job, replica_routes, replica) : EXIT_TEMPORARY;
    replica_close(replica);
    return exit_code;
}

static int serve_long(const struct child_job *job) {
    return serve_long_polls(job, api_routes);
}

struct roles roles_of(const struct conf *conf) {
    const struct role list[] = {
        {"writer", serve_writer, 1, SOCKET_CHANNEL, LISTENER_PUBLIC},
        {"public", serve_short, conf->processes_public, SOCKET_PUBLIC, LISTENER_PUBLIC},
        {"public-wait", serve_long, 1, SOCKET_PUBLIC_WAIT, LISTENER_PUBLIC},
        {"worker", serve_short, conf->processes_worker, SOCKET_WORKER, LISTENER_WORKER},
        {"worker-wait", serve_long, 1, SOCKET_WORKER_WAIT, LISTENER_WORKER},
        {"peering", serve_peering, conf->has_peer, SOCKET_PEERING, LISTENER_WORKER},
        {"replica", serve_replica, conf->has_peer, SOCKET_REPLICA, LISTENER_WORKER},
        {"scaler", serve_scaler, conf->provider[0] != '\0', SOCKET_COUNT, LISTENER_WORKER},
    };
    struct roles roles = {.count = sizeof list / sizeof *list};
    _Static_assert(sizeof list <= sizeof roles.list, "there is room for all roles");
    memcpy(roles.list, list, sizeof list);
    return roles;
}
