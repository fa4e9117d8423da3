#include "eta.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue/queue_operators.h"

enum {
    LEASE_SHARE =
        4, /* a worker keeps work for this part of a lease in hand: docs/worker-protocol.md */
    LATELY_MS = 120000, /* what was done before tells nothing any more */
    ALIKE = 4,          /* items are about equally long up to this factor */
    TIMES_LEAST = 4,    /* fewer of them tell nothing */
};

#define WAY_SECONDS 0.1 /* longer than it takes to lease and to report */

/* --- What is in hand --- */

/* The class of a length in a worker's run queue. */
static int class_of(int64_t remaining) {
    int class = 0;
    for (; remaining > 0; remaining >>= 1)
        class ++;
    return class;
}

/* What is left of a leased item, if a chain without a report moves at this rate. Something is, as
 * it is not done. */
static double left_of(const struct queue_load *load, const struct load_held *held, double rate) {
    double span = supply_seconds_between(held->granted_ms, held->moved_ms);
    if (held->remaining < held->granted && span > 0)
        rate = ((double)held->granted - (double)held->remaining) / span;
    double left = fmax((double)held->remaining, 0);
    return fmax(left - rate * supply_seconds_since(load, held->moved_ms), left / 20);
}

/* Work in hand, and the part of it that is computed before an item. */
struct hand {
    double items;
    double work;
    double before; /* of classes that come first, */
    double longest;
};

/* Sums up the leased items, those of one worker or with worker < 0 all of them. A chain of the same
 * length is before an item when it was leased before granted_ms; at the same time half of them are.
 * rate: of a chain without a report. */
static struct hand hand_of(const struct queue_load *load, int64_t worker, int64_t remaining,
                           int64_t granted_ms, double rate) {
    struct hand hand = {0};
    int class = class_of(remaining);
    for (int i = 0; i < load->held_count; i++) {
        const struct load_held *held = &load->held[i];
        if (worker >= 0 && held->worker != worker)
            continue;
        double left = left_of(load, held, rate);
        int other = class_of(held->remaining);
        hand.items++;
        hand.work += left;
        hand.longest = fmax(hand.longest, left);
        if (other < class || (other == class && held->granted_ms < granted_ms))
            hand.before += left;
        else if (other == class && held->granted_ms == granted_ms)
            hand.before += left / 2;
    }
    if (load->held_count > 0 && load->leased > load->held_count) {
        double scale = (double)load->leased / load->held_count;
        hand.items *= scale;
        hand.work *= scale;
        hand.before *= scale;
    }
    return hand;
}

/* --- An item that is leased --- */

/* A chain's rate as reported; 0 without a report. */
static double measured_rate(const struct queue_progress *progress) {
    struct queue_point last = {progress->remaining, progress->moved_ms};
    double links = 0;
    double seconds = 0;
    for (int i = 0; i <= progress->point_count; i++) {
        struct queue_point first = {progress->granted, progress->granted_ms};
        if (i < progress->point_count)
            first = progress->points[i];
        double span = supply_seconds_between(first.at_ms, last.at_ms);
        double age = fmax(supply_seconds_between(last.at_ms, progress->moved_ms), 0);
        double weight = exp2(-age * 1000 / ETA_HALF_MS);
        if (first.remaining <= last.remaining || span <= 0)
            continue;
        links += weight * ((double)first.remaining - (double)last.remaining);
        seconds += weight * span;
        last = first;
    }
    return seconds > 0 ? links / seconds : 0;
}

/* Sets a forecast, in order. */
static void set(struct eta *eta, double low, double likely, double high) {
    eta->known = likely < SUPPLY_NEVER;
    eta->low = fmax(low, 0);
    eta->likely = fmax(likely, eta->low);
    eta->high = fmin(fmax(high, eta->likely), SUPPLY_NEVER);
}

/* By its own rate. */
static void forecast_measured(const struct queue_load *load, const struct queue_progress *progress,
                              struct eta *eta) {
    double since = supply_seconds_since(load, progress->moved_ms);
    double whole = (double)progress->remaining / eta->rate;
    double likely = fmax(whole - since, since / 10);
    set(eta, fmax(whole / 1.2 - since, likely / 2), likely,
        fmax(whole * 1.2 - since, likely * 1.2) + 0.05);
}

/* --- What was done lately --- */

/* Times from lease to value that an item may take, the shortest first. */
struct times {
    int count;
    double list[QUEUE_LATELY_MAX];
};

static int compare(const void *one, const void *other) {
    double a = *(const double *)one;
    double b = *(const double *)other;
    return (a > b) - (a < b);
}

/* The times of items of about this length that took longer than `since`. Times that are more than
 * the way to a worker and back go with the length. */
static struct times times_of(const struct queue_load *load, const struct queue_progress *progress,
                             double links, double since) {
    struct times times = {0};
    for (int i = 0; i < progress->lately_count; i++) {
        const struct queue_took *took = &progress->lately[i];
        double ratio = links / fmax((double)took->links, 1);
        double seconds = fmax((double)took->ms / 1000, 0.001);
        if (ratio > ALIKE || ratio < 1.0 / ALIKE ||
            supply_seconds_since(load, took->done_ms) * 1000 > LATELY_MS)
            continue;
        seconds *= seconds > WAY_SECONDS ? ratio : 1;
        if (seconds > since)
            times.list[times.count++] = seconds;
    }
    qsort(times.list, (size_t)times.count, sizeof times.list[0], compare);
    return times;
}

/* The time that this part of them does not exceed. */
static double part_of(const struct times *times, double part) {
    return times->list[(int)(part * (times->count - 1) + 0.5)];
}

/* --- An item that is leased --- */

/* By what its worker has in hand. */
static void forecast_in_hand(const struct queue_load *load, const struct queue_progress *progress,
                             struct eta *eta) {
    struct supply_speed speed = supply_speed_of(progress->rate, progress->cores, progress->kernel);
    if (speed.rate <= 0)
        return;
    struct hand count = hand_of(load, progress->worker, 0, 0, 0);
    double chain = supply_chain_rate(&speed, count.items);
    bool all_move = count.items <= speed.cores * SUPPLY_LANES;
    struct hand hand = hand_of(load, progress->worker, progress->remaining, progress->granted_ms,
                               all_move ? chain : 0);
    double since = supply_seconds_since(load, progress->granted_ms);
    double own = (double)progress->remaining / chain;
    double before = all_move ? 0 : hand.before / speed.rate;
    struct times times = times_of(load, progress, (double)progress->remaining, since);
    if (times.count >= TIMES_LEAST) {
        set(eta, part_of(&times, 0.15) - since, part_of(&times, 0.5) - since,
            part_of(&times, 0.85) - since);
        return;
    }
    double rest = fmax(own - since, own / 10);
    double likely = before * 0.8 + rest;
    set(eta, before * 0.5 + fmax(own * 0.75 - since, rest / 2), likely,
        before * 1.3 + fmax(own * 1.3 - since, rest * 1.3) + 0.05);
}

/* --- An item that waits --- */

/* The iterations ahead, by virtual time. */
static double ahead_by_rank(const struct queue_load *load, const struct queue_progress *progress) {
    double virtual = fmax((double)progress->rank - (double)load->virtual, 0);
    double ahead = 0;
    double all = 0;
    for (int i = 0; i < load->client_count; i++) {
        const struct load_client *client = &load->clients[i];
        ahead += fmin((double)client->remaining, (double)client->weight * virtual);
        all += (double)client->remaining;
    }
    return load->client_count == LOAD_CLIENTS_MAX && all > 0 ? ahead * (double)load->remaining / all
                                                             : ahead;
}

static void forecast_waiting(const struct eta_rules *rules, const struct queue_load *load,
                             const struct supply_fleet *fleet,
                             const struct queue_progress *progress, struct eta *eta) {
    struct supply supply = supply_of(rules, load, fleet);
    double ahead = progress->more ? ahead_by_rank(load, progress) : progress->ahead_work;
    double chains = (double)load->leased + (double)load->waiting;
    double chain = fleet->lanes > 0 ? supply_rate_of_chain(fleet, chains)
                                    : (double)load->machine_rate / SUPPLY_LANES;
    bool all_move = (double)load->leased <= fleet->lanes;
    struct hand hand = hand_of(load, -1, progress->remaining, INT64_MAX, all_move ? chain : 0);
    bool lane_free = (double)load->leased + (double)progress->ahead < fleet->lanes;
    double in_hand = fleet->rate * (double)rules->lease_ms / 1000 / LEASE_SHARE;
    double start =
        lane_free ? 0 : supply_seconds_for(&supply, fmax(ahead + hand.work - in_hand, 0));
    double turn = lane_free ? 0 : supply_seconds_for(&supply, ahead + hand.before);
    double own = chain > 0 ? (double)progress->remaining / chain : SUPPLY_NEVER;
    if (start >= SUPPLY_NEVER)
        return;
    eta->start = start;
    struct times times = times_of(load, progress, (double)progress->remaining, 0);
    if (times.count >= TIMES_LEAST) {
        set(eta, start * 0.8 + part_of(&times, 0.15), start + part_of(&times, 0.5),
            start * 1.3 + part_of(&times, 0.85));
        return;
    }
    turn = fmax(turn, start);
    set(eta, fmax(start * 0.85, turn * 0.65) + own * 0.75, turn + own,
        turn * 1.25 + own * 1.3 + 0.05);
}

/* --- Why nothing moves --- */

static int whole_seconds(double seconds) {
    return seconds < 1 ? 1 : seconds < 1e9 ? (int)ceil(seconds) : 1000000000;
}

/* Nobody is there who could take an item. */
static void say_nobody(const struct eta_rules *rules, const struct queue_load *load,
                       char why[ETA_WHY_SIZE]) {
    if (load->quarantined > 0) {
        snprintf(why, ETA_WHY_SIZE,
                 "Every worker that calls is in quarantine; an operator can release it.");
    } else if (load->booting_count > 0) {
        double soonest = supply_booted_in(rules, load, 0);
        for (int i = 1; i < load->booting_count; i++)
            soonest = fmin(soonest, supply_booted_in(rules, load, i));
        snprintf(why, ETA_WHY_SIZE,
                 "No worker is there; a machine was launched and is ready in about %d s.",
                 whole_seconds(soonest));
    } else if (!rules->launches) {
        snprintf(why, ETA_WHY_SIZE,
                 "No worker is there and this node launches none; its operator has to start one.");
    } else if (load->paused & PART_SCALING) {
        snprintf(why, ETA_WHY_SIZE,
                 "No worker is there, and an operator has paused scaling: none is launched.");
    } else if (!supply_may_launch(rules, load)) {
        snprintf(why, ETA_WHY_SIZE,
                 "No worker is there, and this node has as many machines as it may: none is "
                 "launched.");
    } else if (supply_launched_in(rules, load) > 0) {
        snprintf(why, ETA_WHY_SIZE, "No worker is there; one is launched in %d s.",
                 whole_seconds(supply_launched_in(rules, load)));
    } else {
        snprintf(why, ETA_WHY_SIZE, "No worker is there; one is being launched.");
    }
}

static void say_why_waiting(const struct eta_rules *rules, const struct queue_load *load,
                            const struct supply_fleet *fleet, char why[ETA_WHY_SIZE]) {
    if (load->paused & PART_LEASING)
        snprintf(why, ETA_WHY_SIZE,
                 "An operator has paused leasing: no worker gets an item until it is resumed.");
    else if (fleet->workers == 0)
        say_nobody(rules, load, why);
}

static void say_why_leased(const struct eta_rules *rules, const struct queue_load *load,
                           const struct queue_progress *progress, char why[ETA_WHY_SIZE]) {
    double silent = supply_seconds_since(load, progress->heard_ms);
    int again = whole_seconds(supply_seconds_between(load->clock_ms, progress->deadline_ms));
    if (progress->quarantined)
        snprintf(why, ETA_WHY_SIZE, "Its worker is in quarantine; the item waits again in %d s.",
                 again);
    else if (progress->heard_ms < 0 || silent * 2000 > (double)rules->lease_ms)
        snprintf(why, ETA_WHY_SIZE,
                 "Its worker is silent; unless it calls, the item waits again in %d s.", again);
}

/* --- The whole --- */

void eta_of_item(const struct eta_rules *rules, const struct queue_load *load,
                 const struct queue_progress *progress, struct eta *eta) {
    struct supply_fleet fleet = supply_fleet_of(load);
    *eta = (struct eta){.start = -1};
    if (progress->state == ITEM_LEASED) {
        eta->rate = measured_rate(progress);
        say_why_leased(rules, load, progress, eta->why);
        if (eta->why[0] == '\0' && eta->rate > 0)
            forecast_measured(load, progress, eta);
        else if (eta->why[0] == '\0')
            forecast_in_hand(load, progress, eta);
        return;
    }
    say_why_waiting(rules, load, &fleet, eta->why);
    if (!(load->paused & PART_LEASING))
        forecast_waiting(rules, load, &fleet, progress, eta);
}

void eta_of_all(const struct eta_rules *rules, const struct queue_load *load, struct eta *eta) {
    struct supply_fleet fleet = supply_fleet_of(load);
    *eta = (struct eta){.start = -1};
    if ((load->waiting <= 0 && load->leased <= 0) || fleet.rate <= 0 || load->paused & PART_LEASING)
        return;
    double chain = supply_rate_of_chain(&fleet, (double)load->leased + (double)load->waiting);
    struct hand hand = hand_of(load, -1, 0, 0, chain);
    struct hand reported = hand_of(load, -1, 0, 0, 0);
    struct supply supply = supply_of(rules, load, &fleet);
    double work = fmax((double)load->remaining - (reported.work - hand.work), hand.longest);
    double all = supply_seconds_for(&supply, work);
    double longest = hand.longest / chain;
    double likely = fmax(all, longest);
    set(eta, likely * 0.8, likely, all + longest + 0.05);
}
