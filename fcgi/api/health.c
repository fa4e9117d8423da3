/* GET /healthz: whether a process answers, and whether the queue can be used. */

#include <string.h>

#include "api.h"
#include "http/problem.h"

static void reply_ok(struct reply *reply) {
    reply_begin(reply, 200, "application/json");
    buffer_puts(&reply->body, "{\"status\":\"ok\"}");
}

/* Live: a process answers. Ready: the queue takes operations and can read its store, too. */
void api_health(struct call *call) {
    struct queue_tally tally;
    struct reply *reply = &call->server->reply;
    const char *probe = query_text(&call->query, "probe");
    if (probe && strcmp(probe, "live") == 0) {
        reply_ok(reply);
    } else if (probe && strcmp(probe, "ready") != 0) {
        problem_reply(reply, PROBLEM_BAD_PARAMETER,
                      "probe must be ready or live; without it the probe is ready.");
    } else {
        enum queue_result result = queue_tally(call->server->queue, &queue_everybodys, &tally);
        if (result == QUEUE_OK)
            reply_ok(reply);
        else
            problem_reply(reply, PROBLEM_UNAVAILABLE,
                          "The queue does not work at the moment; the server's log says why.");
    }
}
