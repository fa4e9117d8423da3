#ifndef HASHMILL_BAR_H
#define HASHMILL_BAR_H

#include <stdint.h>
#include <stdio.h>

#include "bar_text.h"

/*
 * A progress bar below what a program writes to its terminal, or lines for a log. Every change is
 * one write, at most ten a second, but for those after it was hidden for lines on the same
 * terminal. main must have called setlocale(LC_CTYPE, ""), which says
 * whether the terminal takes UTF-8. One bar at a time, in one thread. NO_COLOR (not empty) takes
 * the colours away. The cursor stays visible and the terminal's settings stay as they are, so a
 * killed program leaves nothing behind but the line that it was drawing.
 *
 * While a bar is open, SIGUSR1 prints one line, whatever the mode and the terminal; SIGWINCH and
 * SIGCONT have the bar drawn again. A process in the background draws nothing.
 */

enum bar_mode {
    BAR_AUTO, /* a bar if err is a terminal (lines if TERM is dumb or not set), else nothing */
    BAR_LINE, /* a line after the first report, then one a minute, and one at the end */
    BAR_NONE  /* nothing, except for SIGUSR1 */
};

struct bar;

/* Prepares a bar on err, which is borrowed until bar_close; nothing appears before the first
 * report. Catches SIGUSR1, SIGWINCH and SIGCONT. Running out of memory ends the process. */
struct bar *bar_open(FILE *err, enum bar_mode mode);

/* Has nothing appear for some time from now on, so that there is nothing of what is over soon.
 * To be called after bar_open. */
void bar_hold(struct bar *bar, int ms);

/* Takes a report, which is copied, and shows it when it is due. Reports that say nothing new may
 * come at any time. */
void bar_update(struct bar *bar, const struct bar_state *state);

/* Shows what is due: signals, a line a minute, and how far the work should be by now: see
 * bar_motion.h. To be called when bar_due_ms says and after each interrupted wait. */
void bar_tick(struct bar *bar);

/* The steady time in ms (clock.h) of the next call of bar_tick; at most a second away. */
int64_t bar_due_ms(const struct bar *bar);

/* Whether there is a bar that somebody looks at: reports are worth asking for often. */
bool bar_is_seen(const struct bar *bar);

/* Whether anything is shown without being asked for by SIGUSR1, now or later. */
bool bar_is_wanted(const struct bar *bar);

/* Writes a line of text, given without its end, above the bar, or to err when there is none. The
 * text may come from outside: see bar_clean. */
void bar_note(struct bar *bar, const char *line);

/* Takes the bar off the terminal until it is next drawn. To be called before anything else is
 * written to the terminal, also by way of stdout. NULL is allowed. */
void bar_hide(struct bar *bar);

/* Takes the bar off the terminal for good, or prints a last line behind others, and frees it. NULL
 * is allowed. Signals are as before. */
void bar_close(struct bar *bar);

#endif
