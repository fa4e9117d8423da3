#ifndef HASHMILL_TALK_H
#define HASHMILL_TALK_H

#include <stdbool.h>
#include <stdint.h>

#include "backoff.h"
#include "http.h"
#include "json.h"

/*
 * One kind of call that a worker makes to a node again and again, such as its leases: at most one
 * is under way; after a failure it waits; a row of failures is logged once, and so is its end.
 */
struct talk {
    const char *url;        /* the node's, for the log */
    const char *verb;       /* "lease", "report" */
    struct http_call *call; /* under way, or NULL */
    int64_t sent_ms;        /* when it was posted, by the steady clock */
    int64_t not_before_ms;  /* no call before then */
    struct backoff backoff;
    bool failing;        /* a row of failures goes on, and was logged */
    bool needs_operator; /* it was logged as an error */
    int64_t failing_since_ms;
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

/* Judges a reply. Failures are noted, logged when they are news, and followed by a wait: with
 * jitter and Retry-After after TALK_UNKNOWN, long after the two others. Call talk_succeeded or
 * talk_nonsense after TALK_DONE, when the reply's body has been read. */
enum talk_outcome talk_judge(struct talk *talk, struct json *json, const struct http_reply *reply);

/* Notes a success: no wait, and the end of a row of failures is logged. */
void talk_succeeded(struct talk *talk);

/* Notes a reply that makes no sense, for the reason in why, and waits. */
void talk_nonsense(struct talk *talk, const char *why);

/* Waits as after a failure, without calling it one. */
void talk_pause(struct talk *talk, int64_t least_ms);

#endif
