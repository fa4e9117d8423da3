#ifndef HASHMILL_CLIENT_TOP_TEXT_H
#define HASHMILL_CLIENT_TOP_TEXT_H

#include "buffer.h"
#include "json.h"

/* What a node has said; NULL: nothing yet, or it does not say it to this client. */
struct top_facts {
    const struct json *stats;   /* GET /stats; must be there */
    const struct json *running; /* GET /stats/running */
    const struct json *history; /* GET /stats/history?span=1h */
};

/* How the queue is shown. */
struct top_look {
    int columns; /* of a line, at most */
    int lines;   /* at most; below 20 only what matters most is shown */
    bool utf8;
    bool colour;
    const char *url;     /* of the node that was asked */
    const char *trouble; /* a message to show; empty: none */
    int64_t now_ms;      /* wall time */
};

/* Appends what a node has said, for people: lines with their ends. What is missing there, as a
 * client may not see it, is left out. The list of running items takes the lines that are left; when
 * they are few, the workers have at most a third of them. */
void top_text(struct buffer *out, const struct top_facts *facts, const struct top_look *look);

#endif
