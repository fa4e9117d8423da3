#ifndef HASHMILL_ENDPOINT_H
#define HASHMILL_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "http.h"
#include "json.h"
#include "retry.h"

/*
 * One kind of call that a worker makes to a node again and again, such as its leases. Several may
 * be under way. After a failure all wait, for as long as the log says; a row of failures is logged
 * once, and so is its end. What
 * comes of a call that was sent before the last wait began says nothing about how things are now:
 * calls that fail together make one wait, and a late success ends none.
 */
struct talk {
    const char *url;  /* the node's, for the log */
    const char *verb; /* "lease", "report" */
    struct retry retry;
    int64_t paused_ms;   /* when the last wait began, by the steady clock */
    bool needs_operator; /* the row of failures was logged as an error */
};

/* One such call. */
struct talk_call {
    struct http_call *http; /* under way, or NULL */
    int64_t sent_ms;        /* when it was posted, by the steady clock */
};

/* What a reply means for the request. */
enum talk_outcome {
    TALK_DONE,    /* 2xx: the node did it */
    TALK_UNKNOWN, /* no reply, or one that says to come again: done or not, nobody knows */
    TALK_BARRED,  /* not done: token, address or protocol are wrong, which an operator must mend */
    TALK_REFUSED  /* not done: the node does not take what was sent */
};

/* Whether a call may be made now. */
bool talk_is_open(const struct talk *talk, int64_t now_ms);

/* Judges the reply that ends a call. Failures are noted, logged when they are news, and followed by
 * a wait: with jitter and Retry-After after TALK_UNKNOWN and TALK_REFUSED, long after TALK_BARRED.
 * Call talk_succeeded or talk_nonsense after TALK_DONE, when the reply's body has been read. */
enum talk_outcome talk_judge(struct talk *talk, struct talk_call *call, struct json *json,
                             const struct http_reply *reply);

/* Notes a success: no wait, and the end of a row of failures is logged. */
void talk_succeeded(struct talk *talk, const struct talk_call *call);

/* Notes a reply that makes no sense, for the reason in why, and waits. */
void talk_nonsense(struct talk *talk, const struct talk_call *call, const char *why);

/* Waits as after a failure, without calling it one: at least least_ms, which is cut to five
 * minutes. The log says for how long and why: at level info when that is longer than a node that is
 * silent is waited for, else at level debug. */
void talk_pause(struct talk *talk, int64_t least_ms, const char *why);

/* Ends a wait before its time. */
void talk_hurry(struct talk *talk);

#endif
