#include "endpoint.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "worker_protocol.h"

enum {
    RETRY_AFTER_MAX_MS = 300000, /* longer requests to stay away are cut to this */
    LONG_MS = 30000 /* longer than back-off waits by itself: told each time, not once in a row */
};

bool talk_is_open(const struct talk *talk, int64_t now_ms) {
    return now_ms >= talk->retry.not_before_ms;
}

/* Begins a wait. How long it is, in seconds. */
static double begin_wait(struct talk *talk, int64_t least_ms) {
    if (least_ms > RETRY_AFTER_MAX_MS)
        least_ms = RETRY_AFTER_MAX_MS;
    talk->paused_ms = clock_steady_ms();
    return (double)retry_delay(&talk->retry, least_ms, INT64_MAX) / 1000;
}

void talk_pause(struct talk *talk, int64_t least_ms, const char *why) {
    double seconds = begin_wait(talk, least_ms);
    if (seconds * 1000 > LONG_MS)
        log_info("%s: no %s for %.1f s: %s", talk->url, talk->verb, seconds, why);
    else
        log_debug("%s: no %s for %.3f s: %s", talk->url, talk->verb, seconds, why);
}

void talk_hurry(struct talk *talk) {
    talk->retry.not_before_ms = 0;
    talk->retry.tries = 0;
    talk->paused_ms = 0;
}

/* Whether a call was sent before the wait that began last. */
static bool is_late(const struct talk *talk, const struct talk_call *call) {
    return call->sent_ms <= talk->paused_ms;
}

/* Deals with a call that failed late: it is not news, but a longer wait asked for is kept to. */
static void fail_late(struct talk *talk, int64_t least_ms, const char *why) {
    log_debug("%s: %s failed too: %s", talk->url, talk->verb, why);
    if (least_ms > 0 && clock_steady_ms() + least_ms > talk->retry.not_before_ms)
        talk_pause(talk, least_ms, why);
}

/* Starts a row of failures or goes on with one. True when the failure is news: the first of its
 * row, or the first that needs an operator. */
static bool note_failure(struct talk *talk, bool needs_operator) {
    bool news = retry_failed(&talk->retry) || (needs_operator && !talk->needs_operator);
    talk->needs_operator |= needs_operator;
    return news;
}

/* A failure that time may mend. */
static void fail_softly(struct talk *talk, const struct talk_call *call, int64_t least_ms,
                        const char *why) {
    if (is_late(talk, call)) {
        fail_late(talk, least_ms, why);
        return;
    }
    if (note_failure(talk, false))
        log_warn("%s: %s failed, trying again in %.1f s: %s", talk->url, talk->verb,
                 begin_wait(talk, least_ms), why);
    else
        talk_pause(talk, least_ms, why);
}

/* A failure that only an operator can mend. It is tried again all the same: after least_ms, and
 * with the certificates that are there then. */
static void fail_hard(struct talk *talk, const struct talk_call *call, int64_t least_ms,
                      const char *why) {
    if (is_late(talk, call)) {
        fail_late(talk, least_ms, why);
        return;
    }
    if (note_failure(talk, true))
        log_error("%s: %s refused: %s; trying again in %.1f s", talk->url, talk->verb, why,
                  begin_wait(talk, least_ms));
    else
        talk_pause(talk, least_ms, why);
}

static enum talk_outcome outcome_of(int status, const struct wire_problem *problem) {
    if (status >= 200 && status < 300)
        return TALK_DONE;
    if (status == 0 || status >= 500 || status == 429 || status == 408)
        return TALK_UNKNOWN;
    bool barred = status < 400 || status == 401 || status == 403 || status == 404 || status == 405;
    if (barred || strcmp(problem->type, "urn:hashmill:problem:protocol") == 0)
        return TALK_BARRED;
    return TALK_REFUSED;
}

/* Says in words what a reply that is no success says, and what to do about it. */
static void describe(char *why, size_t size, const struct http_reply *reply,
                     const struct wire_problem *problem) {
    const char *remedy = "";
    if (strcmp(problem->type, "urn:hashmill:problem:protocol") == 0)
        remedy = "; upgrade this worker or the node so that both speak the same protocol";
    else if (strcmp(problem->type, "urn:hashmill:problem:certificate") == 0)
        remedy = ""; /* it says itself what is wrong with TLS_CERT */
    else if (reply->status == 401 || reply->status == 403)
        remedy = "; set WORKER_TOKEN to the node's";
    else if (reply->status == 404 || reply->status == 405 || reply->status < 400)
        remedy = "; check that NODES has the URL of a worker listener";
    if (reply->status == 0)
        snprintf(why, size, "%s", reply->error);
    else
        snprintf(why, size, "status %d %s%s", reply->status, problem->detail, remedy);
}

enum talk_outcome talk_judge(struct talk *talk, struct talk_call *call, struct json *json,
                             const struct http_reply *reply) {
    struct wire_problem problem = {0};
    char why[600];
    call->http = NULL;
    if (reply->status >= 300)
        wire_read_problem(json, reply->body, reply->length, &problem);
    enum talk_outcome outcome = outcome_of(reply->status, &problem);
    if (outcome == TALK_DONE)
        return outcome;
    describe(why, sizeof why, reply, &problem);
    if (outcome == TALK_UNKNOWN && !reply->untrusted) {
        fail_softly(talk, call, reply->retry_after_ms, why);
        return outcome;
    }
    fail_hard(talk, call, outcome == TALK_BARRED ? retry_slow_ms() : 0, why);
    return outcome;
}

void talk_nonsense(struct talk *talk, const struct talk_call *call, const char *why) {
    char text[300];
    snprintf(text, sizeof text, "the reply makes no sense: %s", why);
    fail_softly(talk, call, 0, text);
}

void talk_succeeded(struct talk *talk, const struct talk_call *call) {
    int64_t seconds;
    if (is_late(talk, call))
        return;
    if (retry_succeeded(&talk->retry, &seconds))
        log_info("%s: %s works again after %lld s", talk->url, talk->verb, (long long)seconds);
    talk->needs_operator = false;
}
