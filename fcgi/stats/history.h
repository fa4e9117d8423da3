#ifndef HASHMILL_STATS_HISTORY_H
#define HASHMILL_STATS_HISTORY_H

/* GET /stats/history: spans of the past in steps, in columns. */

#include "buffer.h"
#include "queue/queue_history.h"

/* The names of the spans, for people: "1h, 24h or 30d". */
#define STATS_SPANS "1h, 24h or 30d"

/* Sets which steps are of the span of this name, at this wall time: the last one is the last that
 * is over. False when no span has this name. */
bool stats_set_span(struct queue_history *history, const char *name, int64_t wall_ms);

/* Appends the span of this name, as it was read, as an object. */
void stats_put_history(struct buffer *body, const char *name, const struct queue_history *history);

#endif
