/* Moments for tests of the scaler's decision, in few words. All times are in seconds here; a
 * machine computes 100 iterations a second, takes 60 s to boot, and an item may wait 15 s. */
#ifndef HASHMILL_T_SCALING_H
#define HASHMILL_T_SCALING_H

#include "fcgi/scaler/scaling.h"

#include <string.h>

#include "tap.h"

enum { RATE = 100, BOOT = 60, NEVER = -1 };

/* A machine, in few words. */
struct a {
    enum { NOBODY, LAUNCHING, FAILING, BOOTING, RUNNING, LEAVING, UNLAUNCHED, STRAY } what;
    int age;              /* s since its launch was decided */
    int heard;            /* s since its last call; 0: just now, or never while it boots */
    int items;            /* that it holds */
    enum listing listing; /* LISTING_UNKNOWN: the usual one of such a machine */
    int copies;           /* 0 stands for one, if it is listed at all */
    int absent;           /* s for which lists have lacked it */
    bool fresh;           /* the list is newer than everything else that is known */
};

static inline struct scaling_machine machine_of(const struct a *a) {
    static const enum machine_state states[] = {
        [LAUNCHING] = MACHINE_LAUNCHING, [FAILING] = MACHINE_LAUNCHING,
        [BOOTING] = MACHINE_LAUNCHED,    [RUNNING] = MACHINE_LAUNCHED,
        [LEAVING] = MACHINE_LEAVING,     [UNLAUNCHED] = MACHINE_LEAVING,
        [STRAY] = MACHINE_GONE};
    bool silent =
        a->what == LAUNCHING || a->what == FAILING || a->what == BOOTING || a->heard == NEVER;
    struct scaling_machine machine = {.state = states[a->what],
                                      .has_id = a->what != LAUNCHING && a->what != FAILING &&
                                                a->what != UNLAUNCHED,
                                      .failing = a->what == FAILING,
                                      .age_ms = a->age * 1000,
                                      .heard_ms = silent ? -1 : a->heard * 1000,
                                      .rate = silent ? 0 : RATE,
                                      .items = a->items,
                                      .listing = a->listing,
                                      .absent_ms = a->absent * 1000,
                                      .list_is_newer = a->fresh};
    if (a->listing == LISTING_UNKNOWN && a->what != LAUNCHING && a->what != FAILING)
        machine.listing = LISTING_RUNNING;
    if (machine.listing == LISTING_RUNNING)
        machine.copies = a->copies ? a->copies : 1;
    return machine;
}

/* The snapshot of a case; the rest is as the comment on top says. */
static inline struct scaling_snapshot snapshot_of(int wait, int work, int outside,
                                                  const struct a *list) {
    struct scaling_snapshot snapshot = {
        .rules = {.workers_max = 3,
                  .wait_launch_ms = 15000,
                  .silent_ms = 60000,
                  .boot_max_ms = 300000},
        .oldest_wait_ms = wait * 1000,
        .waiting = 1000,
        .remaining = work,
        .outside_rate = outside,
        .boot_ms = BOOT * 1000,
        .machine_rate = RATE,
    };
    for (; list->what != NOBODY; list++)
        snapshot.machines[snapshot.count++] = machine_of(list);
    return snapshot;
}

#define SECONDS_OF_WORK(machines, seconds) ((machines) * (seconds)*RATE)

#endif
