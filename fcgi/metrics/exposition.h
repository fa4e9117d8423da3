#ifndef HASHMILL_EXPOSITION_H
#define HASHMILL_EXPOSITION_H

/* Prometheus' text format, version 0.0.4. Names of metrics and labels are literals; label values
 * may have any bytes, which are escaped. */

#include "buffer.h"
#include "metrics.h"

/* A list of labels ends with one without a name: LABELS({"state", "done"}). NULL: none. */
struct label {
    const char *name;
    const char *value;
};
#define LABELS(...) ((const struct label[]){__VA_ARGS__, {NULL, NULL}})

/* Begins a metric: its lines HELP and TYPE ("gauge", "counter" or "histogram"). */
void exposition_begin(struct buffer *text, const char *name, const char *type, const char *help);

/* Append a sample: a number; a time, given in parts of a second. */
void exposition_put(struct buffer *text, const char *name, const struct label *labels,
                    int64_t value);
void exposition_put_seconds(struct buffer *text, const char *name, const struct label *labels,
                            int64_t value, int64_t parts);

/* Appends the samples of a histogram. */
void exposition_put_histogram(struct buffer *text, const char *name, const struct label *labels,
                              const struct metrics_histogram *histogram,
                              const struct metrics_scale *scale);

#endif
