#include "exposition.h"

#include <inttypes.h>
#include <stdio.h>

void exposition_begin(struct buffer *text, const char *name, const char *type, const char *help) {
    buffer_printf(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A backslash, a quote and a line break have a backslash before them. */
static void put_escaped(struct buffer *text, const char *value) {
    for (; *value != '\0'; value++) {
        if (*value == '\n')
            buffer_puts(text, "\\n");
        else
            buffer_printf(text, "%s%c", *value == '\\' || *value == '"' ? "\\" : "", *value);
    }
}

/* Appends a name, with its end, and its labels; bound is the label "le" of a bucket, or NULL. */
static void put_name(struct buffer *text, const char *name, const char *end,
                     const struct label *labels, const char *bound) {
    const char *before = "{";
    buffer_printf(text, "%s%s", name, end);
    for (; labels && labels->name; labels++) {
        buffer_printf(text, "%s%s=\"", before, labels->name);
        put_escaped(text, labels->value);
        buffer_puts(text, "\"");
        before = ",";
    }
    if (bound)
        buffer_printf(text, "%sle=\"%s\"", before, bound);
    buffer_puts(text, bound || *before == ',' ? "} " : " ");
}

static void put_seconds(struct buffer *text, int64_t value, int64_t parts) {
    buffer_printf(text, "%.*f\n", parts > 1000 ? 6 : 3, (double)value / (double)parts);
}

void exposition_put(struct buffer *text, const char *name, const struct label *labels,
                    int64_t value) {
    put_name(text, name, "", labels, NULL);
    buffer_printf(text, "%" PRId64 "\n", value);
}

void exposition_put_seconds(struct buffer *text, const char *name, const struct label *labels,
                            int64_t value, int64_t parts) {
    put_name(text, name, "", labels, NULL);
    put_seconds(text, value, parts);
}

void exposition_put_histogram(struct buffer *text, const char *name, const struct label *labels,
                              const struct metrics_histogram *histogram,
                              const struct metrics_scale *scale) {
    int64_t count = 0;
    for (int i = 0; i < METRICS_BUCKETS; i++) {
        char bound[32] = "+Inf";
        count += histogram->counts[i];
        if (i < METRICS_BUCKETS - 1)
            snprintf(bound, sizeof bound, "%g", (double)scale->bounds[i] / (double)scale->parts);
        put_name(text, name, "_bucket", labels, bound);
        buffer_printf(text, "%" PRId64 "\n", count);
    }
    put_name(text, name, "_sum", labels, NULL);
    put_seconds(text, histogram->sum, scale->parts);
    put_name(text, name, "_count", labels, NULL);
    buffer_printf(text, "%" PRId64 "\n", count);
}
