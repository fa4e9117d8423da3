#include "exposition.h"

#include <inttypes.h>
#include <stdarg.h>
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

static void put_label(struct buffer *text, bool first, const char *label, const char *value) {
    buffer_printf(text, "%c%s=\"", first ? '{' : ',', label);
    put_escaped(text, value);
    buffer_puts(text, "\"");
}

/* Appends a name with its labels. */
static void put_name(struct buffer *text, const char *name, va_list labels) {
    const char *label;
    bool any = false;
    buffer_puts(text, name);
    while ((label = va_arg(labels, const char *)) != NULL) {
        put_label(text, !any, label, va_arg(labels, const char *));
        any = true;
    }
    buffer_puts(text, any ? "} " : " ");
}

void exposition_put(struct buffer *text, int64_t value, const char *name, ...) {
    va_list labels;
    va_start(labels, name);
    put_name(text, name, labels);
    va_end(labels);
    buffer_printf(text, "%" PRId64 "\n", value);
}

static void put_seconds(struct buffer *text, int64_t value, int64_t parts) {
    buffer_printf(text, "%.*f", parts > 1000 ? 6 : 3, (double)value / (double)parts);
}

void exposition_put_seconds(struct buffer *text, int64_t value, int64_t parts, const char *name,
                            ...) {
    va_list labels;
    va_start(labels, name);
    put_name(text, name, labels);
    va_end(labels);
    put_seconds(text, value, parts);
    buffer_puts(text, "\n");
}

/* Appends the name of one of a histogram's series, with its label if it has one. */
static void put_series(struct buffer *text, const char *name, const char *end, const char *label,
                       const char *value) {
    buffer_printf(text, "%s%s", name, end);
    if (label)
        put_label(text, true, label, value);
}

void exposition_put_histogram(struct buffer *text, const struct metrics_histogram *histogram,
                              const struct metrics_scale *scale, const char *name,
                              const char *label, const char *value) {
    int64_t count = 0;
    for (int i = 0; i < METRICS_BUCKETS; i++) {
        char bound[32] = "+Inf";
        count += histogram->counts[i];
        if (i < METRICS_BUCKETS - 1)
            snprintf(bound, sizeof bound, "%g", (double)scale->bounds[i] / (double)scale->parts);
        put_series(text, name, "_bucket", label, value);
        put_label(text, !label, "le", bound);
        buffer_printf(text, "} %" PRId64 "\n", count);
    }
    put_series(text, name, "_sum", label, value);
    buffer_puts(text, label ? "} " : " ");
    put_seconds(text, histogram->sum, scale->parts);
    buffer_puts(text, "\n");
    put_series(text, name, "_count", label, value);
    buffer_printf(text, "%s%" PRId64 "\n", label ? "} " : " ", count);
}
