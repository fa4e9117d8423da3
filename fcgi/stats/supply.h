#ifndef HASHMILL_STATS_SUPPLY_H
#define HASHMILL_STATS_SUPPLY_H

/* How fast a node computes, now and later: its workers, the machines that boot, and those that the
 * scaler will launch. Pure functions, for the forecast (eta.h). Rates are iterations a second. */

#include <stdbool.h>

#include "queue/queue_progress.h"

enum {
    SUPPLY_LANES = 16, /* chains that a core moves at once */
    SUPPLY_STEPS_MAX = LOAD_BOOTING_MAX + 2
};

#define SUPPLY_NEVER 9e9 /* seconds: a forecast beyond this is none */

/* Settings of the node. */
struct eta_rules {
    bool launches;          /* it has a provider */
    int64_t workers_max;    /* machines */
    int64_t wait_launch_ms; /* an item that waits longer asks for a machine */
    int64_t boot_ms;        /* boot time of a machine, where none was measured */
    int64_t lease_ms;       /* how long a lease holds */
};

/* A worker's speed. */
struct supply_speed {
    double rate; /* of all its lanes */
    double cores;
    const struct supply_beside *beside; /* what its kernel does with chains side by side */
};

/* All workers that compute for this node. */
struct supply_fleet {
    int workers; /* that call, are not in quarantine and do not seem to be gone */
    double rate;
    double lanes;
    double lone; /* rate of a lone chain, in the mean over all lanes, */
    double full; /* and with all lanes in use */
};

/* The rate over time. */
struct supply {
    int count;
    struct {
        double at;   /* seconds from now: from then on there is */
        double rate; /* this much more */
    } steps[SUPPLY_STEPS_MAX];
};

/* Seconds from one moment to another; those that have passed since a moment, at least 0. */
double supply_seconds_between(int64_t first_ms, int64_t last_ms);
double supply_seconds_since(const struct queue_load *load, int64_t moment_ms);

/* The speed of a worker that tells this of itself; the rate of one of this many chains that it
 * moves. */
struct supply_speed supply_speed_of(int64_t rate, int64_t cores, const char *kernel);
double supply_chain_rate(const struct supply_speed *speed, double chains);

/* The fleet, and the rate of one of this many chains over all workers. */
struct supply_fleet supply_fleet_of(const struct queue_load *load);
double supply_rate_of_chain(const struct supply_fleet *fleet, double chains);

/* Seconds until a machine that boots has its worker call; until the scaler launches one for what
 * waits now; whether it may. */
double supply_booted_in(const struct eta_rules *rules, const struct queue_load *load, int machine);
double supply_launched_in(const struct eta_rules *rules, const struct queue_load *load);
bool supply_may_launch(const struct eta_rules *rules, const struct queue_load *load);

/* The rate that the node has, and will have; the seconds that some work takes with it, at most
 * SUPPLY_NEVER. */
struct supply supply_of(const struct eta_rules *rules, const struct queue_load *load,
                        const struct supply_fleet *fleet);
double supply_seconds_for(const struct supply *supply, double work);

#endif
