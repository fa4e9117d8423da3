#ifndef HASHMILL_CLIENT_TOP_TEXT_H
#define HASHMILL_CLIENT_TOP_TEXT_H

#include "buffer.h"
#include "json.h"

/* How the queue is shown. */
struct top_look {
    int columns; /* of a line, at most */
    int lines;   /* at most */
    bool utf8;
    const char *url;     /* of the node that was asked */
    const char *trouble; /* a message to show; empty: none */
    int64_t now_ms;      /* wall time */
};

/* Appends what GET /stats says, for people: lines with their ends. What is missing there, as a
 * client may not see it, is left out. */
void top_text(struct buffer *out, const struct json *stats, const struct top_look *look);

#endif
