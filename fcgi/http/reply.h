#ifndef HASHMILL_REPLY_H
#define HASHMILL_REPLY_H

#include "buffer.h"

/*
 * A reply while it is being put together. One is enough for a process: it is sent before the next
 * is begun, and its buffers are reused.
 */
struct reply {
    int status;
    const char *type;      /* media type; NULL for a reply without a body */
    struct buffer headers; /* further header lines, each with its CR LF */
    struct buffer body;
};

/* Begins a reply, forgetting whatever was in it. type must be a literal, or NULL for no body. */
void reply_begin(struct reply *reply, int status, const char *type);

/* Adds a header line; value is of our own making and holds no line break. */
void reply_header(struct reply *reply, const char *name, const char *value);

/* The reason phrase of a status that is in use here. */
const char *reply_reason(int status);

void reply_free(struct reply *reply);

#endif
