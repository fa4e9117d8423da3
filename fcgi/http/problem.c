#include "problem.h"

#include <stdarg.h>
#include <stdio.h>

#include "json.h"

struct row {
    const char *name; /* of the type urn:hashmill:problem:NAME */
    const char *title;
    int status;
    int retry_after_seconds; /* 0: no Retry-After */
};

static const struct row rows[] = {
    [PROBLEM_BAD_PARAMETER] = {"bad-parameter", "Bad query parameter", 400, 0},
    [PROBLEM_BAD_HEADER] = {"bad-header", "Bad header field", 400, 0},
    [PROBLEM_BAD_BODY] = {"bad-body", "Bad body", 400, 0},
    [PROBLEM_DIGEST_MISMATCH] = {"digest-mismatch", "The body is not what was announced", 400, 0},
    [PROBLEM_PROTOCOL] = {"protocol", "Another protocol is spoken here", 400, 0},
    [PROBLEM_UNAUTHORIZED] = {"unauthorized", "Unauthorized", 401, 0},
    [PROBLEM_FORBIDDEN] = {"forbidden", "Forbidden", 403, 0},
    [PROBLEM_QUARANTINED] = {"quarantined", "This worker is in quarantine", 403, 0},
    [PROBLEM_CERTIFICATE] = {"certificate", "Another certificate is needed", 403, 0},
    [PROBLEM_CROSS_SITE] = {"cross-site", "Another site makes this call", 403, 0},
    [PROBLEM_FOREIGN_HOST] = {"foreign-host", "Called by an unknown name", 403, 0},
    [PROBLEM_NOT_FOUND] = {"not-found", "Not found", 404, 0},
    [PROBLEM_METHOD_NOT_ALLOWED] = {"method-not-allowed", "Method not allowed", 405, 0},
    [PROBLEM_ALREADY_DONE] = {"already-done", "The item is already done", 409, 0},
    [PROBLEM_COUNT_DIFFERS] = {"count-differs", "Another number of items", 409, 0},
    [PROBLEM_NEEDED] = {"needed", "This worker is needed", 409, 0},
    [PROBLEM_SUPERSEDED] = {"superseded", "A newer database has taken its place", 409, 0},
    [PROBLEM_GONE] = {"gone", "The batch is gone", 410, 0},
    [PROBLEM_PEER_ALIVE] = {"peer-alive", "The other server still runs", 409, 3},
    [PROBLEM_PRECONDITION] = {"precondition-failed", "Precondition failed", 412, 0},
    [PROBLEM_TOO_LARGE] = {"too-large", "Body too large", 413, 0},
    [PROBLEM_CODING] = {"content-coding", "Content coding not supported", 415, 0},
    [PROBLEM_MEDIA_TYPE] = {"media-type", "Media type not supported", 415, 0},
    [PROBLEM_EXPECTATION] = {"expectation-failed", "Expectation failed", 417, 0},
    [PROBLEM_MISDIRECTED] = {"misdirected", "Misdirected request", 421, 0},
    [PROBLEM_KEY_CONFLICT] = {"key-conflict", "The Idempotency-Key is taken", 422, 0},
    [PROBLEM_QUOTA_ITEMS] = {"quota-items", "The client has too many items", 429, 10},
    [PROBLEM_QUOTA_WORK] = {"quota-work", "The client has too much work", 429, 10},
    [PROBLEM_QUOTA_RATE] = {"quota-rate", "The client enqueues too fast", 429, 1},
    [PROBLEM_QUOTA_ITERATIONS] = {"quota-iterations", "Too many iterations", 429, 3600},
    [PROBLEM_FAULT] = {"fault", "Internal fault", 500, 0},
    [PROBLEM_QUEUE_FULL] = {"queue-full", "The queue is full", 503, 10},
    [PROBLEM_PAUSED] = {"paused", "No new items for now", 503, 10},
    [PROBLEM_WAITS_FULL] = {"waits-full", "Too many requests are waiting", 503, 5},
    [PROBLEM_UNAVAILABLE] = {"unavailable", "The queue cannot be reached", 503, 1},
    [PROBLEM_UNREACHABLE] = {"unreachable", "Another node cannot be reached", 503, 2},
    [PROBLEM_LOOKS_FULL] = {"looks-full", "Another node is asked too often", 503, 1},
    [PROBLEM_OUTCOME_UNKNOWN] = {"outcome-unknown", "Outcome unknown", 503, 1},
    [PROBLEM_DISK_FULL] = {"disk-full", "The disk is full", 507, 10},
};

/* Begins the reply: status, headers, the members from the table, and the id of the request. */
static void begin(struct reply *reply, const struct row *row, int retry_after_seconds) {
    struct buffer *body = &reply->body;
    reply_begin(reply, row->status, "application/problem+json");
    reply->retry_seconds = retry_after_seconds;
    if (retry_after_seconds > 0)
        buffer_printf(&reply->headers, "Retry-After: %d\r\n", retry_after_seconds);
    json_open(body, '{');
    buffer_printf(body, "\"type\":\"urn:hashmill:problem:%s\"", row->name);
    json_name(body, "title");
    json_put_string(body, row->title);
    json_name(body, "status");
    json_put_integer(body, row->status);
    if (reply->request_id) {
        json_name(body, "request_id");
        json_put_string(body, reply->request_id);
    }
}

/* The whole reply. */
static void put(struct reply *reply, const struct row *row, int retry_after_seconds,
                const char *detail) {
    begin(reply, row, retry_after_seconds);
    json_name(&reply->body, "detail");
    json_put_string(&reply->body, detail);
    json_close(&reply->body, '}');
}

void problem_reply(struct reply *reply, enum problem problem, const char *format, ...) {
    char detail[WHY_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    put(reply, &rows[problem], rows[problem].retry_after_seconds, detail);
}

void problem_later(struct reply *reply, enum problem problem, int retry_after_seconds,
                   const char *format, ...) {
    char detail[WHY_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    put(reply, &rows[problem], retry_after_seconds, detail);
}

void problem_full(struct reply *reply, int retry_after_seconds) {
    put(reply, &rows[PROBLEM_QUEUE_FULL], retry_after_seconds,
        "The queue holds as many items, or as much work, as it may. Nothing was stored; pull or "
        "cancel some items, or try again later.");
}

void problem_count(struct reply *reply, int64_t count, int64_t confirmed) {
    char detail[WHY_SIZE];
    snprintf(detail, sizeof detail,
             "%lld item%s of this client wait%s at this node, and confirm says %lld. Nothing was "
             "cancelled; if they are all to go, repeat this with confirm=%lld.",
             (long long)count, count == 1 ? "" : "s", count == 1 ? "s" : "", (long long)confirmed,
             (long long)count);
    begin(reply, &rows[PROBLEM_COUNT_DIFFERS], 0);
    json_name(&reply->body, "detail");
    json_put_string(&reply->body, detail);
    json_name(&reply->body, "count");
    json_put_integer(&reply->body, count);
    json_close(&reply->body, '}');
}

void problem_of_write(struct reply *reply, enum queue_result result) {
    switch (result) {
    case QUEUE_FULL:
        problem_full(reply, rows[PROBLEM_QUEUE_FULL].retry_after_seconds);
        break;
    case QUEUE_DENIED:
        problem_reply(reply, PROBLEM_UNAUTHORIZED,
                      "The machine of this token does not exist any more, as far as this node "
                      "knows: it gets nothing and its reports are not taken.");
        reply_header(reply, "WWW-Authenticate", "Bearer");
        break;
    case QUEUE_QUARANTINED:
        problem_reply(reply, PROBLEM_QUARANTINED,
                      "What was reported with this credential cannot be, so it gets nothing and "
                      "its reports are not taken. An operator who has looked at that machine ends "
                      "this with hashmill-fcgi --release NAME.");
        break;
    case QUEUE_HELD:
        problem_reply(reply, PROBLEM_PAUSED,
                      "An operator of this node has paused the intake. Nothing was stored; try "
                      "again later: items are taken once an operator resumes it.");
        break;
    case QUEUE_PAUSED:
        problem_reply(reply, PROBLEM_PAUSED,
                      "The server cannot do this for now; its log says why. Nothing was stored; "
                      "try again later.");
        break;
    case QUEUE_DISK_FULL:
        problem_reply(reply, PROBLEM_DISK_FULL,
                      "There is no room left on the server's disk. Nothing was stored; try again "
                      "when its operator has made some.");
        break;
    case QUEUE_DOWN:
        problem_reply(reply, PROBLEM_UNAVAILABLE,
                      "The queue cannot be reached at the moment. Nothing was stored; try again.");
        break;
    case QUEUE_UNKNOWN:
        problem_reply(reply, PROBLEM_OUTCOME_UNKNOWN,
                      "The queue did not answer in time, so this may or may not have been carried "
                      "out. Repeat it with the same Idempotency-Key, or look the item up.");
        break;
    default:
        problem_reply(reply, PROBLEM_FAULT,
                      "The server could not do this; its log says why. Ask its operator.");
        break;
    }
}

void problem_of_read(struct reply *reply, enum queue_result result) {
    if (result == QUEUE_DOWN || result == QUEUE_UNKNOWN)
        problem_reply(reply, PROBLEM_UNAVAILABLE,
                      "The queue cannot be read at the moment; try again.");
    else
        problem_of_write(reply, result);
}

void problem_of_body(struct reply *reply, enum request_body result, size_t max_bytes) {
    if (result == REQUEST_BODY_TOO_LARGE)
        problem_reply(reply, PROBLEM_TOO_LARGE,
                      "The body may have at most %zu bytes. Nothing was stored.", max_bytes);
    else
        problem_reply(reply, PROBLEM_BAD_BODY,
                      "The body does not have the length that Content-Length says. Nothing was "
                      "stored; send it again.");
}
