#ifndef HASHMILL_EXPOSITION_H
#define HASHMILL_EXPOSITION_H

/* Prometheus' text format, version 0.0.4. Names of metrics and labels are literals; label values
 * may have any bytes, which are escaped. */

#include "buffer.h"
#include "metrics.h"

/* Begins a metric: its lines HELP and TYPE ("gauge", "counter" or "histogram"). */
void exposition_begin(struct buffer *text, const char *name, const char *type, const char *help);

/* Appends a sample. Names and values of its labels follow, in pairs, and a NULL. */
void exposition_put(struct buffer *text, int64_t value, const char *name, ...)
    __attribute__((sentinel));

/* The same of a time, given in parts of a second. */
void exposition_put_seconds(struct buffer *text, int64_t value, int64_t parts, const char *name,
                            ...) __attribute__((sentinel));

/* Appends the samples of a histogram, each with a label; label is NULL for none. */
void exposition_put_histogram(struct buffer *text, const struct metrics_histogram *histogram,
                              const struct metrics_scale *scale, const char *name,
                              const char *label, const char *value);

#endif
