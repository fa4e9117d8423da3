#include "top/top_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bar/bar_text.h"

enum { TEXT_SIZE = 400, LINE_SIZE = 1000 };

/* The text that is made. */
struct screen {
    struct buffer *out;
    const struct top_look *look;
    const struct json *stats;
    int lines;
};

/* Appends a line, cut to the columns there are, unless the screen is full. */
__attribute__((format(printf, 2, 3))) static void put_line(struct screen *screen,
                                                           const char *format, ...) {
    char line[LINE_SIZE];
    va_list arguments;
    if (screen->lines++ >= screen->look->lines)
        return;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    bar_clean(screen->out, line, screen->look->columns, screen->look->utf8);
    buffer_puts(screen->out, "\n");
}

/* A member of an object as a number; below 0 when it is not there. */
static double number_of(const struct json *json, int object, const char *name) {
    double number = -1;
    json_positive(json, json_member(json, object, name), &number);
    return number;
}

/* Writes a member of an object, a text, or "-". */
static void read_text(char text[TEXT_SIZE], const struct json *json, int object, const char *name) {
    if (!json_string(json, json_member(json, object, name), text, TEXT_SIZE) || text[0] == '\0')
        snprintf(text, TEXT_SIZE, "-");
}

/* Writes a number of people's size: those below 1,000 with two digits behind the point if they have
 * such. */
static void write_number(char text[BAR_NUMBER_SIZE], double number) {
    if (number > 0 && number < 1000 && number != (double)(int64_t)number)
        snprintf(text, BAR_NUMBER_SIZE, "%.2f", number);
    else
        bar_number(text, number < 9e18 ? (int64_t)number : INT64_MAX);
}

static void put_head(struct screen *screen) {
    char version[TEXT_SIZE];
    char now[TEXT_SIZE] = "";
    time_t seconds = (time_t)(screen->look->now_ms / 1000);
    struct tm local;
    read_text(version, screen->stats, 0, "version");
    if (localtime_r(&seconds, &local))
        strftime(now, sizeof now, "%H:%M:%S", &local);
    put_line(screen, "hashmill %s   %s   node %.0f   %s", version, screen->look->url,
             number_of(screen->stats, 0, "node"), now);
    if (screen->look->trouble[0] != '\0')
        put_line(screen, "%s", screen->look->trouble);
    put_line(screen, "%s", "");
}

/* How many items there are in each state, and what is left to do. */
static void put_items(struct screen *screen) {
    static const char *const states[] = {"waiting", "leased", "done", "pulled", "cancelled", NULL};
    struct buffer line = {0};
    char text[BAR_DURATION_SIZE + BAR_NUMBER_SIZE];
    int items = json_member(screen->stats, 0, "items");
    double oldest = number_of(screen->stats, 0, "oldest_wait_seconds");
    double eta = number_of(screen->stats, 0, "eta_seconds");
    for (int i = 0; states[i]; i++)
        buffer_printf(&line, "%s%.0f %s", i > 0 ? "   " : "",
                      number_of(screen->stats, items, states[i]), states[i]);
    buffer_append(&line, "", 1);
    put_line(screen, "items       %s", line.data);
    buffer_clear(&line);
    write_number(text, number_of(screen->stats, 0, "remaining"));
    buffer_printf(&line, "%s iterations", text);
    if (eta >= 0) {
        bar_duration(text, eta);
        buffer_printf(&line, ", ETA %s", text);
    }
    if (oldest > 0) {
        bar_duration(text, oldest);
        buffer_printf(&line, "; the oldest waits for %s", text);
    }
    buffer_append(&line, "", 1);
    put_line(screen, "remaining   %s", line.data);
    buffer_free(&line);
}

/* What an operator has paused, and what is wrong. */
static void put_warnings(struct screen *screen) {
    const struct json *stats = screen->stats;
    int paused = json_member(stats, 0, "paused");
    int warnings = json_member(stats, 0, "warnings");
    char text[TEXT_SIZE];
    for (int at = json_first(stats, paused); at >= 0; at = json_next(stats, at)) {
        if (json_string(stats, at, text, sizeof text))
            put_line(screen, "paused      %s", text);
    }
    for (int at = json_first(stats, warnings); at >= 0; at = json_next(stats, at)) {
        read_text(text, stats, at, "detail");
        put_line(screen, "warning     %s", text);
    }
}

static void put_rates(struct screen *screen) {
    static const char *const spans[] = {"1s", "10s", "60s", NULL};
    static const char *const names[] = {"enqueued", "done", "pulled", "iterations"};
    int rates = json_member(screen->stats, 0, "rates");
    put_line(screen, "%s", "");
    put_line(screen, "a second %11s %11s %11s %11s", names[0], names[1], names[2], names[3]);
    for (int i = 0; spans[i]; i++) {
        int span = json_member(screen->stats, rates, spans[i]);
        char text[4][BAR_NUMBER_SIZE];
        for (int k = 0; k < 4; k++)
            write_number(text[k], number_of(screen->stats, span, names[k]));
        put_line(screen, "last %-4s%11s %11s %11s %11s", spans[i], text[0], text[1], text[2],
                 text[3]);
    }
}

static void put_worker(struct screen *screen, int worker) {
    char name[TEXT_SIZE];
    char kernel[TEXT_SIZE];
    char seen[TEXT_SIZE];
    char rate[BAR_NUMBER_SIZE];
    read_text(name, screen->stats, worker, "name");
    read_text(kernel, screen->stats, worker, "kernel");
    read_text(seen, screen->stats, worker, "last_seen_at");
    write_number(rate, number_of(screen->stats, worker, "rate"));
    put_line(screen, "%-28.100s %5.0f  %-12.100s %11s %7.0f  %.19s", name,
             number_of(screen->stats, worker, "cores"), kernel, rate,
             number_of(screen->stats, worker, "items"), seen);
}

static void put_workers(struct screen *screen) {
    int workers = json_member(screen->stats, json_member(screen->stats, 0, "fleet"), "workers");
    if (workers < 0)
        return;
    put_line(screen, "%s", "");
    put_line(screen, "%-28s %5s  %-12s %11s %7s  %s", "worker", "cores", "kernel", "it/s", "items",
             "last seen (UTC)");
    for (int at = json_first(screen->stats, workers); at >= 0; at = json_next(screen->stats, at))
        put_worker(screen, at);
}

void top_text(struct buffer *out, const struct json *stats, const struct top_look *look) {
    struct screen screen = {out, look, stats, 0};
    put_head(&screen);
    put_items(&screen);
    put_warnings(&screen);
    put_rates(&screen);
    put_workers(&screen);
}
