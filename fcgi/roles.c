/* Which process runs what. */

#include "roles.h"

#include <string.h>

#include "api/api.h"
#include "http/serve.h"
#include "intake/intake.h"
#include "metrics/metrics.h"
#include "peering/peering.h"
#include "queue/replica.h"
#include "scaler/scaler.h"
#include "scrape/scrape.h"
#include "writer/writer.h"

static int write_and_count(const struct child_job *job) {
    metrics_use(job->process, 0);
    return serve_writer(job);
}

static int serve_short(const struct child_job *job) {
    metrics_use(job->process, scrape_first_route(api_routes));
    return serve_requests(job, api_routes, NULL);
}

static int serve_enqueues(const struct child_job *job) {
    metrics_use(job->process, scrape_first_route(api_routes));
    return serve_intake(job, api_routes);
}

static int serve_replica(const struct child_job *job) {
    metrics_use(job->process, scrape_first_route(replica_routes));
    struct replica *replica = replica_open(job->conf);
    int exit_code = replica ? serve_requests(job, replica_routes, replica) : EXIT_TEMPORARY;
    replica_close(replica);
    return exit_code;
}

static int serve_long(const struct child_job *job) {
    metrics_use(job->process, scrape_first_route(api_routes));
    return serve_long_polls(job, api_routes);
}

/* Does not wait long for the writer: what else there is would come too late. */
static int serve_metrics(const struct child_job *job) {
    static struct conf conf;
    struct child_job own = *job;
    conf = *job->conf;
    if (conf.operation_seconds > SCRAPE_WRITER_SECONDS)
        conf.operation_seconds = SCRAPE_WRITER_SECONDS;
    own.conf = &conf;
    metrics_use(job->process, scrape_first_route(scrape_routes));
    return serve_requests(&own, scrape_routes, NULL);
}

struct roles roles_of(const struct conf *conf) {
    const struct role list[] = {
        {"writer", write_and_count, 1, SOCKET_CHANNEL, LISTENER_PUBLIC},
        {"public", serve_short, conf->processes_public, SOCKET_PUBLIC, LISTENER_PUBLIC},
        {"intake", serve_enqueues, conf->processes_intake, SOCKET_INTAKE, LISTENER_PUBLIC},
        {"public-wait", serve_long, 1, SOCKET_PUBLIC_WAIT, LISTENER_PUBLIC},
        {"worker", serve_short, conf->processes_worker, SOCKET_WORKER, LISTENER_WORKER},
        {"worker-wait", serve_long, 1, SOCKET_WORKER_WAIT, LISTENER_WORKER},
        {"peering", serve_peering, conf->has_peer, SOCKET_PEERING, LISTENER_WORKER},
        {"replica", serve_replica, conf->has_peer, SOCKET_REPLICA, LISTENER_WORKER},
        {"metrics", serve_metrics, 1, SOCKET_METRICS, LISTENER_METRICS},
        {"scaler", serve_scaler, conf->provider[0] != '\0', SOCKET_COUNT, LISTENER_WORKER},
    };
    struct roles roles = {.count = sizeof list / sizeof *list};
    _Static_assert(sizeof list <= sizeof roles.list, "there is room for all roles");
    memcpy(roles.list, list, sizeof list);
    return roles;
}
