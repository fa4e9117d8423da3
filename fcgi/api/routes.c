/* The route table: every call of the API, and who makes it. */

#include "api.h"

const struct route api_routes[] = {
    {CALLER_CLIENT, "PUT", "/enqueue", {"iterations"}, true, MAY_CHANGE, api_enqueue, NULL},
    {CALLER_CLIENT,
     "POST",
     "/pullCompleted",
     {"top", "order", "client", "wait"},
     false,
     MAY_CHANGE,
     api_pull,
     &api_pull_long_poll},
    {CALLER_CLIENT, "POST", "/items", {NULL}, true, MAY_CHANGE, api_enqueue_many, NULL},
    {CALLER_CLIENT, "GET", "/items/", {"wait"}, false, MAY_READ, api_look, &api_look_long_poll},
    {CALLER_CLIENT, "DELETE", "/items/", {NULL}, false, MAY_CHANGE, api_cancel, NULL},
    {CALLER_CLIENT, "GET", "/healthz", {"probe"}, false, 0, api_health, NULL},
    {CALLER_CLIENT, "GET", "/stats", {NULL}, false, MAY_READ, api_stats, NULL},
    {CALLER_WORKER, "POST", "/lease", {NULL}, true, 0, NULL, &api_lease_long_poll},
    {CALLER_WORKER, "POST", "/results", {NULL}, true, 0, api_results, NULL},
    {CALLER_WORKER, "POST", "/retire", {NULL}, true, 0, api_retire, NULL},
    {CALLER_PEER, "POST", "/peer/hello", {NULL}, true, 0, api_peer_hello, NULL},
    {CALLER_PEER, "POST", "/peer/done", {NULL}, true, 0, api_peer_done, NULL},
    {CALLER_PEER, "POST", "/peer/reserve", {NULL}, true, 0, api_peer_reserve, NULL},
    {CALLER_PEER, "POST", "/peer/pulls", {NULL}, true, 0, api_peer_pulls, NULL},
    {CALLER_PEER, "POST", "/peer/look", {NULL}, true, 0, NULL, &api_peer_look_long_poll},
    {CALLER_PEER, "POST", "/peer/cancel", {NULL}, true, 0, api_peer_cancel, NULL},
    {.method = NULL},
};
