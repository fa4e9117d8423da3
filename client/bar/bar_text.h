#ifndef HASHMILL_BAR_TEXT_H
#define HASHMILL_BAR_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "buffer.h"

/*
 * What the progress bar says, as text: pure functions of their arguments and of TZ. The terminal is
 * in bar.c.
 */

/* How far something is. Of files that are put, the items are files, iterations_done is how many
 * bytes were read, the rate is of files, and an items_all of 0 means that their number is not
 * known: then there is no bar but their count. */
struct bar_state {
    bool files;
    int64_t items_done, items_all;           /* items_all 0 or 1: items are not shown */
    int64_t iterations_done, iterations_all; /* iterations_all 0: the items are the measure */
    double rate;                             /* iterations a second; 0: unknown */
    double eta_seconds;                      /* from now to the end; below 0: unknown */
    const char *note;                        /* shown behind the rest; NULL: none */
};

/* How a bar is drawn. */
struct bar_look {
    int columns; /* that it may take */
    bool utf8;
    bool colour;
    int64_t now_ms; /* wall time, for the time of day of the end */
};

enum { BAR_NUMBER_SIZE = 32, BAR_DURATION_SIZE = 16 };

/* A number >= 0 with three digits and a unit, rounded down: "999", "1.23 k", "45.6 M", ... "E". */
void bar_number(char text[BAR_NUMBER_SIZE], int64_t value);

/* A duration >= 0, rounded up to seconds, in at most two units: "45s", "2m05s", "3h07m", "4d02h",
 * and from 100 days on "123d". */
void bar_duration(char text[BAR_DURATION_SIZE], double seconds);

/* Appends the bar on one line without its end: items, bar, percent, iterations, rate, ETA, note.
 * What does not fit is left out, the least important first; 17 columns have the bar and the
 * percentage. Below 100 percent there is no full bar. Returns the columns that the text takes, at
 * most look->columns; 0, with nothing appended, when those are fewer than 4. */
int bar_text(struct buffer *out, const struct bar_state *state, const struct bar_look *look);

/* Appends the same as a sentence for a log, without the end of the line: "3 of 7 items, 312 M of
 * 1.00 G iterations (31.2 %), 12.3 M it/s, ETA 2m05s (14:32)", or "1200 of 3000 files put,
 * 1.22 MB read, 412 files/s, ETA 5s (14:32)". */
void bar_line(struct buffer *out, const struct bar_state *state, int64_t now_ms);

/* Appends text from outside so that it can do nothing to a terminal and takes at most so many
 * columns; what was cut is marked by "…" or "...". Each control character, each byte that is not
 * UTF-8, and without utf8 each that is not ASCII, becomes "?". With utf8, LC_CTYPE must be of
 * UTF-8. Returns the columns it takes. */
int bar_clean(struct buffer *out, const char *text, int columns, bool utf8);

#endif
