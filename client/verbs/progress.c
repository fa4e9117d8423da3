#include "verbs/progress.h"

#include <stdlib.h>
#include <string.h>

#include "base/say.h"
#include "clock.h"
#include "memory.h"
#include "net/net.h"

enum { FILES_MS = 1000 /* over which a rate of files is measured: they are put by the hundreds */ };

struct progress {
    struct bar *bar;
    struct net *net; /* NULL: none */
    struct drawing drawing;
    double rate;           /* as measured; 0: not yet */
    int64_t measured_ms;   /* when, in steady time; 0: not yet */
    int64_t measured_done; /* iterations, or files, then */
};

static void note(void *context, const char *line) {
    struct progress *progress = context;
    bar_note(progress->bar, line);
}

static void hide(void *context) {
    struct progress *progress = context;
    bar_hide(progress->bar);
}

static int64_t turn(void *context) {
    return progress_turn(context);
}

/* What the command line asks for. */
static enum bar_mode mode_of(const struct command *command) {
    if (!command->progress)
        return command->quiet ? BAR_NONE : BAR_AUTO;
    if (strcmp(command->progress, "line") == 0)
        return BAR_LINE;
    return strcmp(command->progress, "none") == 0 ? BAR_NONE : BAR_AUTO;
}

struct progress *progress_open(const struct command *command, struct net *net) {
    struct progress *progress = memory_or_end(calloc(1, sizeof *progress), "the progress bar");
    progress->bar = bar_open(stderr, mode_of(command));
    progress->net = net;
    progress->drawing = (struct drawing){note, hide, progress};
    say_through(&progress->drawing);
    if (net)
        net_each_turn(net, turn, progress);
    return progress;
}

void progress_hold(struct progress *progress, int ms) {
    bar_hold(progress->bar, ms);
}

/* Measures the rate between two reports that differ and are some time apart; a new measurement
 * counts half. */
static void measure(struct progress *progress, int64_t done, int64_t apart_ms) {
    int64_t now_ms = clock_steady_ms();
    int64_t passed_ms = now_ms - progress->measured_ms;
    if (progress->measured_ms > 0 && (done <= progress->measured_done || passed_ms < apart_ms))
        return;
    if (progress->measured_ms > 0) {
        double rate = (double)(done - progress->measured_done) * 1000 / (double)passed_ms;
        progress->rate = progress->rate > 0 ? (progress->rate + rate) / 2 : rate;
    }
    progress->measured_ms = now_ms;
    progress->measured_done = done;
}

void progress_report(struct progress *progress, const struct bar_state *state) {
    struct bar_state shown = *state;
    int64_t done = state->files ? state->items_done : state->iterations_done;
    int64_t all = state->files ? state->items_all : state->iterations_all;
    measure(progress, done, state->files ? FILES_MS : 1);
    if (shown.rate <= 0)
        shown.rate = progress->rate;
    if (shown.eta_seconds < 0 && shown.rate > 0 && all > done)
        shown.eta_seconds = (double)(all - done) / shown.rate;
    bar_update(progress->bar, &shown);
}

int64_t progress_turn(struct progress *progress) {
    bar_tick(progress->bar);
    return bar_due_ms(progress->bar);
}

bool progress_is_seen(const struct progress *progress) {
    return bar_is_seen(progress->bar);
}

bool progress_is_wanted(const struct progress *progress) {
    return bar_is_wanted(progress->bar);
}

void progress_close(struct progress *progress) {
    if (progress->net)
        net_each_turn(progress->net, NULL, NULL);
    say_through(NULL);
    bar_close(progress->bar);
    free(progress);
}
