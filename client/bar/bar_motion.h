#ifndef HASHMILL_BAR_MOTION_H
#define HASHMILL_BAR_MOTION_H

#include <stdbool.h>
#include <stdint.h>

#include "bar_text.h"

/*
 * How a bar moves between reports: by the rate, for as long as the last two reports that differ
 * were apart, and never so far that an item which is not done would have nothing left. It does not
 * go backwards within a job: it waits until the reports have caught up. Times are steady, in ms.
 * Starts zeroed.
 */
struct bar_motion {
    struct bar_state reported;
    bool started;
    int64_t changed_ms;  /* when the numbers last changed */
    int64_t interval_ms; /* between that and the change before; 0: not known */
    int64_t shown;       /* iterations */
    int64_t end_ms;      /* when everything is expected to be done; -1: unknown */
};

/* Takes a report. Its note is borrowed until the next. */
void bar_motion_report(struct bar_motion *motion, const struct bar_state *state, int64_t now_ms);

/* What to show at a moment; the ETA counts down and stays above 0 until the end is reported. */
struct bar_state bar_motion_at(struct bar_motion *motion, int64_t now_ms);

/* Whether the bar moves after that moment without another report. */
bool bar_motion_goes_on(const struct bar_motion *motion, int64_t now_ms);

#endif
