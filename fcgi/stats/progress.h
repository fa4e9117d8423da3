#ifndef HASHMILL_STATS_PROGRESS_H
#define HASHMILL_STATS_PROGRESS_H

/* Members of JSON about how far items are, and when they will be done. */

#include "base/conf.h"
#include "buffer.h"
#include "queue/queue_progress.h"

/* Appends what is known of the progress of an item: "rate", "eta_seconds", "expected_at", both with
 * _low and _high, "ahead", "ahead_more", "expected_start_at", "why"; with `names` also "worker".
 * What is not known is left out. */
void stats_put_progress(struct buffer *body, const struct conf *conf, const struct queue_load *load,
                        const struct queue_progress *progress, bool names);

/* Appends when all items will be done, if that is known: "eta_seconds", "expected_at", both with
 * _low and _high. */
void stats_put_eta(struct buffer *body, const struct conf *conf, struct queue *queue);

#endif
