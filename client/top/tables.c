#include "top/tables.h"

#include <stdio.h>
#include <string.h>

enum {
    GAP = 2,
    ID_COLUMNS = 36,
    DONE_COLUMNS = 7,  /* "31.2 %" */
    BAR_COLUMNS = 27,  /* the bar with that, at most: with more there are other fields in it */
    BAR_MIN = 17,      /* and at least */
    ETA_COLUMNS = 7,   /* "12h34m" */
    RATE_COLUMNS = 7,  /* "12.3 M" */
    WORK_COLUMNS = 16, /* "12.3 M of 1.00 G" */
    NAME_MIN = 14,     /* of a worker's name, */
    NAME_MAX = 40,
    KERNEL_COLUMNS = 11,
    SEEN_COLUMNS = 8
};

/* How wide the columns of running items are; 0: left out. */
struct widths {
    int id, work, done, worker;
};

/* Takes columns with their gap out of what is left, if those go with it. */
static int take(int *left, int columns, int needed) {
    if (*left < columns + GAP + needed)
        return 0;
    *left -= columns + GAP;
    return columns;
}

static struct widths widths_of(int columns) {
    struct widths widths = {.done = DONE_COLUMNS};
    int left = columns - DONE_COLUMNS - GAP - ETA_COLUMNS - GAP - RATE_COLUMNS - GAP;
    widths.id = take(&left, ID_COLUMNS, NAME_MIN);
    if (left > NAME_MIN + BAR_MIN - DONE_COLUMNS) {
        int bar = left - NAME_MIN + DONE_COLUMNS;
        widths.done = bar < BAR_COLUMNS ? bar : BAR_COLUMNS;
        left -= widths.done - DONE_COLUMNS;
    }
    widths.work = take(&left, WORK_COLUMNS, NAME_MIN + 4);
    widths.worker = left < NAME_MAX ? left : NAME_MAX;
    return widths;
}

static void put_gap(struct screen *screen) {
    put_cell(screen, style_plain, GAP, "%s", "");
}

/* Appends how much is done: with a bar, if that has room. */
static void put_done(struct screen *screen, int width, int64_t done, int64_t all) {
    struct bar_state state = {.iterations_done = done, .iterations_all = all, .eta_seconds = -1};
    struct bar_look look = {width, screen->look->utf8, screen->look->colour, 0};
    int64_t permille = all > 0 ? (int64_t)((double)done / (double)all * 1000) : 0;
    if (width > DONE_COLUMNS && lines_left(screen) > 0 &&
        screen->used + width <= screen->look->columns) {
        screen->used += bar_text(screen->out, &state, &look);
        return;
    }
    put_right(screen, style_plain, width, "%d.%d %%", (int)(permille / 10), (int)(permille % 10));
}

static void put_item(struct screen *screen, const struct json *running, int item,
                     const struct widths *widths) {
    char text[TOP_TEXT_SIZE], number[BAR_NUMBER_SIZE], all[BAR_NUMBER_SIZE];
    double iterations = number_of(running, item, "iterations");
    double left = number_of(running, item, "remaining");
    double eta = number_of(running, item, "eta_seconds");
    double rate = number_of(running, item, "rate");
    double done = iterations > left ? iterations - left : 0;
    read_text(text, running, item, "id");
    if (widths->id > 0) {
        put_cell(screen, style_plain, widths->id, "%s", text);
        put_gap(screen);
    }
    put_done(screen, widths->done, (int64_t)done, (int64_t)(iterations > 0 ? iterations : 0));
    put_gap(screen);
    if (widths->work > 0) {
        write_number(number, (double)(int64_t)done);
        write_number(all, iterations);
        put_right(screen, style_plain, widths->work, "%s of %s", number, all);
        put_gap(screen);
    }
    snprintf(number, sizeof number, "-");
    if (eta >= 0)
        bar_duration(number, eta);
    put_right(screen, style_plain, ETA_COLUMNS, "%s", number);
    put_gap(screen);
    write_number(number, rate > 0 ? (double)(int64_t)rate : -1);
    put_right(screen, style_plain, RATE_COLUMNS, "%s", number);
    put_gap(screen);
    read_text(text, running, item, "worker");
    put_cell(screen, style_plain, widths->worker, "%s", text);
    end_line(screen);
}

int count_running(const struct json *running) {
    int count = running ? json_array_size(running, json_member(running, 0, "items")) : 0;
    return count > 0 ? count : 0;
}

/* Appends the titles of the columns. */
static void put_running_title(struct screen *screen, const struct widths *widths, int shown,
                              double leased) {
    char title[TOP_TEXT_SIZE] = "running";
    if (leased > shown)
        snprintf(title, sizeof title, "running %d/%.0f", shown, leased);
    if (widths->id > 0) {
        put_cell(screen, style_title, widths->id, "%s", title);
        put_gap(screen);
        put_right(screen, style_title, widths->done, "done");
    } else {
        put_cell(screen, style_title, widths->done, "%s",
                 (int)strlen(title) <= widths->done ? title : "running");
    }
    put_gap(screen);
    if (widths->work > 0) {
        put_right(screen, style_title, widths->work, "iterations");
        put_gap(screen);
    }
    put_right(screen, style_title, ETA_COLUMNS, "ETA");
    put_gap(screen);
    put_right(screen, style_title, RATE_COLUMNS, "it/s");
    put_gap(screen);
    put_cell(screen, style_title, widths->worker, "worker");
    end_line(screen);
}

void put_running(struct screen *screen, const struct json *running, double leased, int lines) {
    struct widths widths = widths_of(screen->look->columns);
    int rows = count_running(running);
    rows = rows < lines - 1 ? rows : lines - 1;
    if (rows <= 0)
        return;
    put_running_title(screen, &widths, rows, leased);
    int at = json_first(running, json_member(running, 0, "items"));
    for (int i = 0; i < rows; i++, at = json_next(running, at))
        put_item(screen, running, at, &widths);
}

static int workers_of(const struct json *stats) {
    return json_member(stats, json_member(stats, 0, "fleet"), "workers");
}

int count_workers(const struct json *stats) {
    int count = json_array_size(stats, workers_of(stats));
    return count > 0 ? count : 0;
}

/* The columns of a worker's name, so that what stands behind it has room. */
static int name_columns(const struct screen *screen) {
    int left = screen->look->columns - 5 - GAP - RATE_COLUMNS - GAP - 5 - GAP - KERNEL_COLUMNS -
               GAP - SEEN_COLUMNS - GAP;
    if (left < NAME_MIN)
        return NAME_MIN;
    return left < NAME_MAX ? left : NAME_MAX;
}

static void put_worker(struct screen *screen, const struct json *stats, int worker) {
    char name[TOP_TEXT_SIZE], kernel[TOP_TEXT_SIZE], seen[TOP_TEXT_SIZE], rate[BAR_NUMBER_SIZE];
    read_text(name, stats, worker, "name");
    read_text(kernel, stats, worker, "kernel");
    read_text(seen, stats, worker, "last_seen_at");
    write_number(rate, (double)(int64_t)number_of(stats, worker, "rate"));
    put_cell(screen, style_plain, name_columns(screen), "%s", name);
    put_gap(screen);
    put_right(screen, style_plain, 5, "%.0f", number_of(stats, worker, "items"));
    put_gap(screen);
    put_right(screen, style_plain, RATE_COLUMNS, "%s", rate);
    put_gap(screen);
    put_right(screen, style_plain, 5, "%.0f", number_of(stats, worker, "cores"));
    put_gap(screen);
    put_cell(screen, style_plain, KERNEL_COLUMNS, "%s", kernel);
    put_gap(screen);
    put_cell(screen, style_plain, SEEN_COLUMNS, "%.8s", strlen(seen) > 19 ? seen + 11 : seen);
    end_line(screen);
}

void put_workers(struct screen *screen, const struct json *stats, int lines) {
    char title[TOP_TEXT_SIZE] = "workers";
    int all = count_workers(stats);
    int rows = all < lines - 1 ? all : lines - 1;
    if (rows <= 0)
        return;
    if (rows < all)
        snprintf(title, sizeof title, "workers %d/%d", rows, all);
    put_cell(screen, style_title, name_columns(screen), "%s", title);
    put_gap(screen);
    put_right(screen, style_title, 5, "items");
    put_gap(screen);
    put_right(screen, style_title, RATE_COLUMNS, "it/s");
    put_gap(screen);
    put_right(screen, style_title, 5, "cores");
    put_gap(screen);
    put_cell(screen, style_title, KERNEL_COLUMNS, "kernel");
    put_gap(screen);
    put_cell(screen, style_title, SEEN_COLUMNS, "seen UTC");
    end_line(screen);
    int at = json_first(stats, workers_of(stats));
    for (int i = 0; i < rows; i++, at = json_next(stats, at))
        put_worker(screen, stats, at);
}
