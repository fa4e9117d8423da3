#ifndef HASHMILL_ENDPOINT_H
#define HASHMILL_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "http.h"
#include "json.h"
#include "retry.h"

/*
 * A call of the worker protocol at one node, such as POST /lease, with its back-off. Several calls
 * may be under way. A failure backs all of them off, and the log says for how long. A row of
 * failures is logged once, and so is its end. Results of calls sent before the current back-off are
 * ignored: calls that fail together cause one back-off, and a late success ends none.
 */
struct endpoint {
    const char *url;  /* the node's, for the log */
    const char *verb; /* "lease", "report" */
    struct retry retry;
    int64_t paused_ms;   /* when the last back-off began, by the steady clock */
    bool needs_operator; /* the row of failures was logged as an error */
};

/* One such call. */
struct endpoint_call {
    struct http_call *http; /* under way, or NULL */
    int64_t sent_ms;        /* when it was posted, by the steady clock */
};

/* What a reply means for the request. */
enum endpoint_outcome {
    ENDPOINT_DONE,    /* 2xx: the node did it */
    ENDPOINT_UNKNOWN, /* no reply, or one that says to try again: perhaps done */
    ENDPOINT_BARRED,  /* not done: an operator must mend token, address or protocol */
    ENDPOINT_REFUSED  /* not done: the node does not take what was sent */
};

/* Whether a call may be made now. */
bool endpoint_is_open(const struct endpoint *endpoint, int64_t now_ms);

/* Judges the reply that ends a call. A failure is logged when it is news, and followed by a
 * back-off: with jitter and Retry-After after ENDPOINT_UNKNOWN and ENDPOINT_REFUSED, a long one
 * after ENDPOINT_BARRED. After ENDPOINT_DONE read the reply's body, then call endpoint_succeeded or
 * endpoint_nonsense. */
enum endpoint_outcome endpoint_judge(struct endpoint *endpoint, struct endpoint_call *call,
                                     struct json *json, const struct http_reply *reply);

/* Ends a row of failures, if there was one, and logs that. */
void endpoint_succeeded(struct endpoint *endpoint, const struct endpoint_call *call);

/* Logs a reply that makes no sense, for the reason in why, and backs off. */
void endpoint_nonsense(struct endpoint *endpoint, const struct endpoint_call *call,
                       const char *why);

/* Backs off without a failure, for at least least_ms, which is cut to five minutes. The log says
 * for how long and why: at level info when that is longer than the back-off of failures, else at
 * level debug. */
void endpoint_back_off(struct endpoint *endpoint, int64_t least_ms, const char *why);

/* Ends a back-off. */
void endpoint_retry_now(struct endpoint *endpoint);

#endif
