/* The route table: every call of the API, and who makes it. */

#include "api.h"

const struct route api_routes[] = {
    {LISTENER_PUBLIC, "PUT", "/enqueue", {"iterations"}, true, api_enqueue, NULL},
    {LISTENER_PUBLIC, "POST", "/pullCompleted", {"top", "order"}, false, api_pull, NULL},
    {LISTENER_PUBLIC, "GET", "/items/", {"wait"}, false, api_look, &api_look_waits},
    {LISTENER_PUBLIC, "DELETE", "/items/", {NULL}, false, api_cancel, NULL},
    {LISTENER_PUBLIC, "GET", "/healthz", {"probe"}, false, api_health, NULL},
    {LISTENER_PUBLIC, "GET", "/stats", {NULL}, false, api_stats, NULL},
    {LISTENER_WORKER, "POST", "/lease", {NULL}, true, NULL, &api_lease_waits},
    {LISTENER_WORKER, "POST", "/results", {NULL}, true, api_results, NULL},
    {LISTENER_WORKER, "POST", "/retire", {NULL}, true, api_retire, NULL},
    {LISTENER_WORKER, "POST", "/peer/hello", {NULL}, true, api_peer_hello, NULL},
    {LISTENER_WORKER, "POST", "/peer/done", {NULL}, true, api_peer_done, NULL},
    {LISTENER_WORKER, "POST", "/peer/reserve", {NULL}, true, api_peer_reserve, NULL},
    {LISTENER_WORKER, "POST", "/peer/pulls", {NULL}, true, api_peer_pulls, NULL},
    {LISTENER_WORKER, "POST", "/peer/look", {NULL}, true, NULL, &api_peer_look_waits},
    {LISTENER_WORKER, "POST", "/peer/cancel", {NULL}, true, api_peer_cancel, NULL},
    {.method = NULL},
};
