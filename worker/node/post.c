/* The posts of a conversation: requests under the worker's token to a path of the node. */

#include "clock.h"
#include "node_parts.h"

void node_hang_up(struct node *node, struct endpoint_call *call) {
    if (call->http)
        http_abort(node->shared->http, call->http);
    call->http = NULL;
}

void node_post(struct node *node, struct endpoint_call *call, const char *path, int64_t timeout_ms,
               http_done *done, void *context) {
    struct node_shared *shared = node->shared;
    struct buffer url = {0};
    buffer_printf(&url, "%s%s", node->url, path);
    struct http_request request = {.url = url.data,
                                   .bearer = shared->token,
                                   .body = shared->body.data,
                                   .length = shared->body.length,
                                   .timeout_ms = timeout_ms,
                                   .done = done,
                                   .context = context};
    call->sent_ms = clock_steady_ms();
    call->http = http_post(shared->http, &request);
    buffer_free(&url);
}
