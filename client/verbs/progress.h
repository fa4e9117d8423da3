#ifndef HASHMILL_CLIENT_PROGRESS_H
#define HASHMILL_CLIENT_PROGRESS_H

#include "bar/bar.h"
#include "base/command.h"

/* The progress bar of a verb that puts, waits or computes: on standard error, as --progress says.
 * Messages and what goes to standard output keep clear of it. One at a time. */
struct progress;

/* Opens it. It is drawn in the turns of the conversation with the nodes; with net NULL, when
 * progress_turn is called. */
struct progress *progress_open(const struct command *command, struct net *net);

/* Has nothing appear for some time from now on: see bar_hold. */
void progress_hold(struct progress *progress, int ms);

/* Takes a report. A rate of 0 and an eta_seconds below 0 are replaced by what follows from the last
 * reports. */
void progress_report(struct progress *progress, const struct bar_state *state);

/* Draws what is due. Returns the steady time in ms when it is to be called again. */
int64_t progress_turn(struct progress *progress);

/* Whether somebody looks at the bar. */
bool progress_is_seen(const struct progress *progress);

/* Whether anything is shown without being asked for by SIGUSR1. */
bool progress_is_wanted(const struct progress *progress);

/* Takes it off the terminal. */
void progress_close(struct progress *progress);

#endif
