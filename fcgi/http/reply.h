#ifndef HASHMILL_REPLY_H
#define HASHMILL_REPLY_H

#include <stdbool.h>

#include "buffer.h"

/* Who may keep a reply, to give it to others or later. */
enum reply_keeper {
    KEPT_BY_NOBODY,
    KEPT_BY_NGINX,         /* for a second, where its template keeps such replies */
    KEPT_BY_NOBODY_PRIVATE /* the same as nobody, for caches that take no-store lightly */
};

/*
 * A reply under construction. A process needs only one: it sends the reply before it begins the
 * next, and reuses the buffers.
 */
struct reply {
    const char *request_id; /* of the request that it answers; NULL: none. Borrowed */
    int status;
    int retry_seconds;        /* of its Retry-After; 0: it has none */
    const char *type;         /* media type; NULL for a reply without a body */
    bool passes_on;           /* nginx has another process reply: see reply_pass_on */
    enum reply_keeper keeper; /* who may keep it; nobody after reply_begin */
    struct buffer headers;    /* further header lines, each with its CR LF */
    struct buffer body;
};

/* Begins a reply and drops any earlier content. type must be a literal, or NULL for no body. */
void reply_begin(struct reply *reply, int status, const char *type);

/* Has nginx send the request to one of its locations, whose reply the client gets. nginx adds some
 * fields of this one to it, such as Cache-Control, so this one has none. */
void reply_pass_on(struct reply *reply, const char *location);

/* Adds a header line; value must have no line break. */
void reply_header(struct reply *reply, const char *name, const char *value);

/* The reason phrase of a status used here. */
const char *reply_reason(int status);

void reply_free(struct reply *reply);

#endif
