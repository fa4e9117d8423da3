#include "reply.h"

#include <stddef.h>

void reply_begin(struct reply *reply, int status, const char *type) {
    reply->status = status;
    reply->retry_seconds = 0;
    reply->type = type;
    reply->passes_on = false;
    reply->keeper = KEPT_BY_NOBODY;
    buffer_clear(&reply->headers);
    buffer_clear(&reply->body);
}

void reply_pass_on(struct reply *reply, const char *location) {
    reply_begin(reply, 200, NULL);
    reply_header(reply, "X-Accel-Redirect", location);
    reply->passes_on = true;
}

void reply_header(struct reply *reply, const char *name, const char *value) {
    buffer_printf(&reply->headers, "%s: %s\r\n", name, value);
}

const char *reply_reason(int status) {
    static const struct {
        int status;
        const char *reason;
    } rows[] = {
        {200, "OK"},
        {201, "Created"},
        {204, "No Content"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {409, "Conflict"},
        {410, "Gone"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {500, "Internal Server Error"},
        {503, "Service Unavailable"},
        {507, "Insufficient Storage"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].status == status)
            return rows[i].reason;
    }
    return "Unknown";
}

void reply_free(struct reply *reply) {
    buffer_free(&reply->headers);
    buffer_free(&reply->body);
}
