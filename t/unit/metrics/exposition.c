/* Prometheus' text format: labels with any bytes, numbers, histograms. */

#include "fcgi/metrics/exposition.h"

#include "tap.h"

static struct buffer text;

static void is(const char *wanted, const char *name) {
    buffer_append(&text, "", 1);
    is_text(text.data, wanted, name);
    buffer_clear(&text);
}

int main(void) {
    exposition_begin(&text, "x_total", "counter", "Some help.");
    is("# HELP x_total Some help.\n# TYPE x_total counter\n", "HELP and TYPE");
    exposition_put(&text, "x", NULL, -7);
    is("x -7\n", "no label");
    exposition_put(&text, "x", LABELS({"one", "1"}, {"two", ""}), INT64_MAX);
    is("x{one=\"1\",two=\"\"} 9223372036854775807\n", "two labels, one empty");
    exposition_put(&text, "x", LABELS({"client", "a\"b\\"}), 1);
    is("x{client=\"a\\\"b\\\\\"} 1\n", "a quote and a backslash");
    exposition_put(&text, "x", LABELS({"client", "a\n} 1\nx 2\xc3\xa9%s"}), 1);
    is("x{client=\"a\\n} 1\\nx 2\xc3\xa9%s\"} 1\n", "line breaks make no line; other bytes stay");
    exposition_put_seconds(&text, "x", NULL, 1234567890123, 1000);
    is("x 1234567890.123\n", "a time in milliseconds");

    struct metrics_scale scale = {1000000, {500, 1000}};
    for (int i = 2; i < METRICS_BUCKETS - 1; i++)
        scale.bounds[i] = i * INT64_C(86400000000);
    struct metrics_histogram histogram = {.counts = {1, 2, 4}, .sum = 2500001};
    histogram.counts[METRICS_BUCKETS - 1] = 8;
    exposition_put_histogram(&text, "x_seconds", LABELS({"route", "/items/ID"}), &histogram,
                             &scale);
    buffer_append(&text, "", 1);
    const char *at = text.data;
    const char *const lines[] = {"x_seconds_bucket{route=\"/items/ID\",le=\"0.0005\"} 1\n",
                                 "x_seconds_bucket{route=\"/items/ID\",le=\"0.001\"} 3\n",
                                 "x_seconds_bucket{route=\"/items/ID\",le=\"172800\"} 7\n",
                                 "x_seconds_bucket{route=\"/items/ID\",le=\"+Inf\"} 15\n",
                                 "x_seconds_sum{route=\"/items/ID\"} 2.500001\n",
                                 "x_seconds_count{route=\"/items/ID\"} 15\n"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        const char *found = at ? strstr(at, lines[i]) : NULL;
        ok(found, "in its place: %.*s", (int)strlen(lines[i]) - 1, lines[i]);
        at = found;
    }
    buffer_clear(&text);
    exposition_put_histogram(&text, "x_seconds", NULL, &histogram, &scale);
    buffer_append(&text, "", 1);
    ok(strstr(text.data, "x_seconds_bucket{le=\"0.0005\"} 1\n") &&
           strstr(text.data, "x_seconds_sum 2.500001\nx_seconds_count 15\n"),
       "without a label");
    buffer_free(&text);
    return done_testing();
}
