#include "endpoint.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "worker_protocol.h"

enum {
    RETRY_AFTER_MAX_MS = 300000, /* a longer Retry-After is cut to this */
    LONG_MS = 30000 /* beyond any back-off without Retry-After: logged each time at level info */
};

bool endpoint_is_open(const struct endpoint *endpoint, int64_t now_ms) {
    return now_ms >= endpoint->retry.not_before_ms;
}

/* Begins a back-off. Returns its length in seconds. */
static double begin_back_off(struct endpoint *endpoint, int64_t least_ms) {
    if (least_ms > RETRY_AFTER_MAX_MS)
        least_ms = RETRY_AFTER_MAX_MS;
    endpoint->paused_ms = clock_steady_ms();
    return (double)retry_delay(&endpoint->retry, least_ms, INT64_MAX) / 1000;
}

void endpoint_back_off(struct endpoint *endpoint, int64_t least_ms, const char *why) {
    double seconds = begin_back_off(endpoint, least_ms);
    if (seconds * 1000 > LONG_MS)
        log_info("%s: no %s for %.1f s: %s", endpoint->url, endpoint->verb, seconds, why);
    else
        log_debug("%s: no %s for %.3f s: %s", endpoint->url, endpoint->verb, seconds, why);
}

void endpoint_retry_now(struct endpoint *endpoint) {
    endpoint->retry.not_before_ms = 0;
    endpoint->retry.tries = 0;
    endpoint->paused_ms = 0;
}

/* Whether a call was sent before the current back-off. */
static bool is_late(const struct endpoint *endpoint, const struct endpoint_call *call) {
    return call->sent_ms <= endpoint->paused_ms;
}

/* Handles a late failure: it is not news, but a longer Retry-After is honoured. */
static void fail_late(struct endpoint *endpoint, int64_t least_ms, const char *why) {
    log_debug("%s: %s failed too: %s", endpoint->url, endpoint->verb, why);
    if (least_ms > 0 && clock_steady_ms() + least_ms > endpoint->retry.not_before_ms)
        endpoint_back_off(endpoint, least_ms, why);
}

/* Starts a row of failures or goes on with one. True when the failure is news: the first of its
 * row, or the first that needs an operator. */
static bool note_failure(struct endpoint *endpoint, bool needs_operator) {
    bool news = retry_failed(&endpoint->retry) || (needs_operator && !endpoint->needs_operator);
    endpoint->needs_operator |= needs_operator;
    return news;
}

/* A failure that time may mend. */
static void fail_softly(struct endpoint *endpoint, const struct endpoint_call *call,
                        int64_t least_ms, const char *why) {
    if (is_late(endpoint, call)) {
        fail_late(endpoint, least_ms, why);
        return;
    }
    if (note_failure(endpoint, false))
        log_warn("%s: %s failed, trying again in %.1f s: %s", endpoint->url, endpoint->verb,
                 begin_back_off(endpoint, least_ms), why);
    else
        endpoint_back_off(endpoint, least_ms, why);
}

/* A failure that only an operator can mend. It is tried again all the same: after least_ms, and
 * with the certificates that are there then. */
static void fail_hard(struct endpoint *endpoint, const struct endpoint_call *call, int64_t least_ms,
                      const char *why) {
    if (is_late(endpoint, call)) {
        fail_late(endpoint, least_ms, why);
        return;
    }
    if (note_failure(endpoint, true))
        log_error("%s: %s refused: %s; trying again in %.1f s", endpoint->url, endpoint->verb, why,
                  begin_back_off(endpoint, least_ms));
    else
        endpoint_back_off(endpoint, least_ms, why);
}

static enum endpoint_outcome outcome_of(int status, const struct protocol_problem *problem) {
    if (status >= 200 && status < 300)
        return ENDPOINT_DONE;
    if (status == 0 || status >= 500 || status == 429 || status == 408)
        return ENDPOINT_UNKNOWN;
    bool barred = status < 400 || status == 401 || status == 403 || status == 404 || status == 405;
    if (barred || strcmp(problem->type, "urn:hashmill:problem:protocol") == 0)
        return ENDPOINT_BARRED;
    return ENDPOINT_REFUSED;
}

/* Describes a reply that is no success, with what to do about it. */
static void describe(char *why, size_t size, const struct http_reply *reply,
                     const struct protocol_problem *problem) {
    const char *remedy = "";
    if (strcmp(problem->type, "urn:hashmill:problem:protocol") == 0)
        remedy = "; upgrade this worker or the node so that both speak the same protocol";
    else if (strcmp(problem->type, "urn:hashmill:problem:certificate") == 0 ||
             strcmp(problem->type, "urn:hashmill:problem:quarantined") == 0)
        remedy = ""; /* the detail says what to do */
    else if (reply->status == 401 || reply->status == 403)
        remedy = " Look at WORKER_TOKEN, which is the node's or a key of its file KEYS.";
    else if (reply->status == 404 || reply->status == 405 || reply->status < 400)
        remedy = "; check that NODES has the URL of a worker listener";
    if (reply->status == 0)
        snprintf(why, size, "%s", reply->error);
    else
        snprintf(why, size, "status %d %s%s", reply->status, problem->detail, remedy);
}

enum endpoint_outcome endpoint_judge(struct endpoint *endpoint, struct endpoint_call *call,
                                     struct json *json, const struct http_reply *reply) {
    struct protocol_problem problem = {0};
    char why[600];
    call->http = NULL;
    if (reply->status >= 300)
        protocol_read_problem(json, reply->body, reply->length, &problem);
    enum endpoint_outcome outcome = outcome_of(reply->status, &problem);
    if (outcome == ENDPOINT_DONE)
        return outcome;
    describe(why, sizeof why, reply, &problem);
    if (outcome == ENDPOINT_UNKNOWN && !reply->untrusted) {
        fail_softly(endpoint, call, reply->retry_after_ms, why);
        return outcome;
    }
    fail_hard(endpoint, call, outcome == ENDPOINT_BARRED ? retry_slow_ms() : 0, why);
    return outcome;
}

void endpoint_nonsense(struct endpoint *endpoint, const struct endpoint_call *call,
                       const char *why) {
    char text[300];
    snprintf(text, sizeof text, "the reply makes no sense: %s", why);
    fail_softly(endpoint, call, 0, text);
}

void endpoint_succeeded(struct endpoint *endpoint, const struct endpoint_call *call) {
    int64_t seconds;
    if (is_late(endpoint, call))
        return;
    if (retry_succeeded(&endpoint->retry, &seconds))
        log_info("%s: %s works again after %lld s", endpoint->url, endpoint->verb,
                 (long long)seconds);
    endpoint->needs_operator = false;
}
