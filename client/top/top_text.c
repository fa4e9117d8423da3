#include "top/top_text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "top/tables.h"

enum {
    TALL = 20, /* lines from which on there are blank ones, tables of rates, and history */
    FOLDS = 4,
    FOLDS_SHORT = 2,
    LABEL_COLUMNS = 12,
    SPAN_COLUMNS = 9,
    RATE_COLUMNS = 12, /* of each number at most, */
    RATE_FULL = 11,    /* and with long names; */
    RATE_MIN = 7,      /* and at least */
    GAP = 3
};

static bool is_tall(const struct screen *screen) {
    return screen->look->lines >= TALL;
}

/* Ends a line without anything, when there is height for such. */
static void put_blank(struct screen *screen) {
    if (is_tall(screen))
        end_line(screen);
}

static void put_head(struct screen *screen, const struct json *stats) {
    char version[TOP_TEXT_SIZE];
    char now[TOP_TEXT_SIZE] = "";
    time_t seconds = (time_t)(screen->look->now_ms / 1000);
    struct tm local;
    read_text(version, stats, 0, "version");
    if (localtime_r(&seconds, &local))
        strftime(now, sizeof now, "%H:%M:%S", &local);
    put_cell(screen, style_title, -1, "hashmill %s   %s", version, screen->look->url);
    put_part(screen, style_title, GAP, "node %.0f", number_of(stats, 0, "node"));
    put_part(screen, style_title, GAP, "%s", now);
    end_line(screen);
    if (screen->look->trouble[0] != '\0')
        put_folded(screen, style_trouble, "trouble", screen->look->trouble, FOLDS_SHORT);
    put_blank(screen);
}

/* How many items there are in each state, and what is left to do. */
static void put_items(struct screen *screen, const struct json *stats) {
    static const char *const states[] = {"waiting", "leased", "done", "pulled", "cancelled", NULL};
    char text[BAR_DURATION_SIZE + BAR_NUMBER_SIZE];
    int items = json_member(stats, 0, "items");
    double oldest = number_of(stats, 0, "oldest_wait_seconds");
    double eta = number_of(stats, 0, "eta_seconds");
    put_cell(screen, style_plain, LABEL_COLUMNS, "items");
    for (int i = 0; states[i]; i++)
        put_part(screen, style_plain, i > 0 ? GAP : 0, "%.0f %s",
                 number_of(stats, items, states[i]), states[i]);
    end_line(screen);
    write_number(text, number_of(stats, 0, "remaining"));
    put_cell(screen, style_plain, LABEL_COLUMNS, "remaining");
    put_cell(screen, style_plain, -1, "%s iterations", text);
    if (eta >= 0) {
        bar_duration(text, eta);
        put_part(screen, style_plain, 0, ", ETA %s", text);
    }
    if (oldest > 0) {
        bar_duration(text, oldest);
        put_part(screen, style_plain, 0, "; the oldest waits for %s", text);
    }
    end_line(screen);
}

/* What an operator has paused, and what is wrong and what to do. */
static void put_warnings(struct screen *screen, const struct json *stats) {
    int paused = json_member(stats, 0, "paused");
    int warnings = json_member(stats, 0, "warnings");
    int folds = is_tall(screen) ? FOLDS : FOLDS_SHORT;
    char detail[TOP_TEXT_SIZE], code[TOP_TEXT_SIZE];
    for (int at = json_first(stats, paused); at >= 0; at = json_next(stats, at)) {
        if (json_string(stats, at, code, sizeof code))
            put_folded(screen, style_warning, "paused", code, 1);
    }
    for (int at = json_first(stats, warnings); at >= 0; at = json_next(stats, at)) {
        char text[2 * TOP_TEXT_SIZE + 3];
        read_text(code, stats, at, "code");
        read_text(detail, stats, at, "detail");
        snprintf(text, sizeof text, "%s: %s", code, detail);
        put_folded(screen, style_warning, "warning", text, folds);
    }
}

/* Appends what is done in a second: over all spans, or in few lines over one. */
static void put_rates(struct screen *screen, const struct json *stats) {
    static const char *const spans[] = {"1s", "10s", "60s", NULL};
    static const char *const names[] = {"enqueued", "done", "pulled", "iterations"};
    static const char *const short_names[] = {"put", "done", "pulled", "it"};
    int rates = json_member(stats, 0, "rates");
    int width = (screen->look->columns - SPAN_COLUMNS) / 4;
    width = width > RATE_COLUMNS ? RATE_COLUMNS : width < RATE_MIN ? RATE_MIN : width;
    put_blank(screen);
    put_cell(screen, style_title, SPAN_COLUMNS, "a second");
    for (int k = 0; k < 4; k++)
        put_right(screen, style_title, width, "%s", (width < RATE_FULL ? short_names : names)[k]);
    end_line(screen);
    for (int i = is_tall(screen) ? 0 : 1; spans[i] && (is_tall(screen) || i == 1); i++) {
        int span = json_member(stats, rates, spans[i]);
        char text[BAR_NUMBER_SIZE];
        put_cell(screen, style_plain, SPAN_COLUMNS, "last %s", spans[i]);
        for (int k = 0; k < 4; k++) {
            write_number(text, number_of(stats, span, names[k]));
            put_right(screen, style_plain, width, "%s", text);
        }
        end_line(screen);
    }
}

/* The lines for a table of so many rows: with its title, and a blank line before it. */
static int table_lines(const struct screen *screen, int rows) {
    return rows > 0 ? rows + 1 + is_tall(screen) : 0;
}

/* Appends both tables. Running items go first if there is not room for all. */
static void put_tables(struct screen *screen, const struct top_facts *facts) {
    int left = lines_left(screen);
    int workers = table_lines(screen, count_workers(facts->stats));
    int running = table_lines(screen, count_running(facts->running));
    double leased = number_of(facts->stats, json_member(facts->stats, 0, "items"), "leased");
    if (workers + running > left && running > 0) {
        int third = left / 3;
        int most = left - running > third ? left - running : third;
        workers = workers < most ? workers : most;
    }
    if (workers >= table_lines(screen, 1)) {
        put_blank(screen);
        put_workers(screen, facts->stats, workers - is_tall(screen));
    }
    if (running > 0 && lines_left(screen) >= table_lines(screen, 1)) {
        put_blank(screen);
        put_running(screen, facts->running, leased, lines_left(screen));
    }
}

void top_text(struct buffer *out, const struct top_facts *facts, const struct top_look *look) {
    struct screen screen = {.out = out, .look = look};
    put_head(&screen, facts->stats);
    put_items(&screen, facts->stats);
    put_warnings(&screen, facts->stats);
    if (is_tall(&screen))
        put_history(&screen, facts->history);
    put_rates(&screen, facts->stats);
    put_tables(&screen, facts);
}
