/* The route table: every call of the API, and who makes it. */

#include "api.h"

const struct route api_routes[] = {
    {CALLER_CLIENT, "PUT", "/enqueue", {"iterations"}, true, api_enqueue, NULL},
    {CALLER_CLIENT, "POST", "/pullCompleted", {"top", "order"}, false, api_pull, NULL},
    {CALLER_CLIENT, "GET", "/items/", {"wait"}, false, api_look, &api_look_long_poll},
    {CALLER_CLIENT, "DELETE", "/items/", {NULL}, false, api_cancel, NULL},
    {CALLER_CLIENT, "GET", "/healthz", {"probe"}, false, api_health, NULL},
    {CALLER_CLIENT, "GET", "/stats", {NULL}, false, api_stats, NULL},
    {CALLER_WORKER, "POST", "/lease", {NULL}, true, NULL, &api_lease_long_poll},
    {CALLER_WORKER, "POST", "/results", {NULL}, true, api_results, NULL},
    {CALLER_WORKER, "POST", "/retire", {NULL}, true, api_retire, NULL},
    {CALLER_PEER, "POST", "/peer/hello", {NULL}, true, api_peer_hello, NULL},
    {CALLER_PEER, "POST", "/peer/done", {NULL}, true, api_peer_done, NULL},
    {CALLER_PEER, "POST", "/peer/reserve", {NULL}, true, api_peer_reserve, NULL},
    {CALLER_PEER, "POST", "/peer/pulls", {NULL}, true, api_peer_pulls, NULL},
    {CALLER_PEER, "POST", "/peer/look", {NULL}, true, NULL, &api_peer_look_long_poll},
    {CALLER_PEER, "POST", "/peer/cancel", {NULL}, true, api_peer_cancel, NULL},
    {.method = NULL},
};
