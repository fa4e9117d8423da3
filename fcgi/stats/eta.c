#include "eta.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue/queue_operators.h"

enum {
    LEASE_SHARE = 4, /* a worker keeps work for this part of a lease: docs/worker-protocol.md */
    LOOKS = 32,      /* with work in hand it asks for more as often in a lease's time */
    LATELY_SECONDS = 120, /* what was done before tells nothing any more */
    LIKE_SECONDS = 30,    /* so long ago is as unlike as a factor of two in length */
    LIKE_MAX = 12,        /* the items most like one are looked at, */
    LIKE_DOUBLINGS = 4,   /* none shorter or longer than by this many factors of two */
    TIMES_LEAST = 4,      /* fewer of them tell nothing */
    TRUST_SECONDS = 5
};

#define ASKED_SECONDS 0.1 /* a worker with nothing in hand takes an item sooner */
#define SLOWER 1.1        /* than undisturbed: others come in between */
#define WAY_SECONDS 0.1   /* longer than it takes to lease and to report */
#define LEAST_SECONDS 0.002
#define SPREAD 1.41        /* with nothing to go by: a high of twice the low */
#define SPREAD_LEAST 1.41  /* never quite sure, */
#define SPREAD_MOST 4      /* never without a hint */
#define SPREAD_WAITING 1.6 /* times as unsure: workers come and go, and others come first */

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
    double capped; /* the same with no chain longer than one lane's part of what workers keep, */
    double stays;  /* of chains that are that long, */
    double before; /* of classes that come first, */
    double longest;
};

/* Sums up the leased items, those of one worker or with worker < 0 all of them. A chain of the same
 * length is before an item when it was leased before granted_ms; at the same time half of them are.
 * rate: of a chain without a report; cap: a lane's part. */
static struct hand hand_of(const struct queue_load *load, int64_t worker, int64_t remaining,
                           int64_t granted_ms, double rate, double cap) {
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
        hand.capped += fmin(left, cap);
        hand.stays += left >= cap ? cap : 0;
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
        hand.capped *= scale;
        hand.stays *= scale;
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

/* Sets a forecast. */
static void set_between(struct eta *eta, double low, double likely, double high) {
    eta->known = likely < SUPPLY_NEVER;
    eta->likely = fmin(fmax(likely, LEAST_SECONDS), SUPPLY_NEVER);
    eta->low = fmin(fmax(low, 0), eta->likely);
    eta->high = fmin(fmax(high, eta->likely), SUPPLY_NEVER);
}

/* The same: `spread` times as soon or as late. */
static void set(struct eta *eta, double likely, double spread) {
    likely = fmax(likely, LEAST_SECONDS);
    set_between(eta, likely / spread, likely, likely * spread);
}

/* --- What was done lately --- */

/* Times from lease to value that an item may take, the shortest first. */
struct times {
    int count;
    double list[LIKE_MAX];
};

/* An item that was done, and how unlike it is: in length, by factors of two, and in time. */
struct like {
    const struct queue_took *took;
    double distance;
};

static int compare(const void *one, const void *other) {
    double a = *(const double *)one;
    double b = *(const double *)other;
    return (a > b) - (a < b);
}

/* Puts an item in its place among those that are most like one. Returns how many there are. */
static int choose(struct like list[LIKE_MAX], int count, const struct like *next) {
    int place = count;
    for (; place > 0 && list[place - 1].distance > next->distance; place--) {
        if (place < LIKE_MAX)
            list[place] = list[place - 1];
    }
    if (place < LIKE_MAX)
        list[place] = *next;
    return count < LIKE_MAX ? count + 1 : LIKE_MAX;
}

/* Chooses the items that are most like one of this length. Returns how many there are. */
static int choose_like(const struct queue_load *load, const struct queue_progress *progress,
                       double links, struct like list[LIKE_MAX]) {
    int count = 0;
    for (int i = 0; i < progress->lately_count; i++) {
        const struct queue_took *took = &progress->lately[i];
        double ago = supply_seconds_since(load, took->done_ms);
        double doublings = fabs(log2(fmax(links, 1)) - log2(fmax((double)took->links, 1)));
        struct like next = {took, doublings + ago / LIKE_SECONDS};
        if (doublings <= LIKE_DOUBLINGS && ago <= LATELY_SECONDS)
            count = choose(list, count, &next);
    }
    return count;
}

/* The times of such items that took longer than `since`, as of this length: times that are more
 * than the way to a worker and back go with it. */
static struct times times_of(const struct queue_load *load, const struct queue_progress *progress,
                             double links, double since) {
    struct like list[LIKE_MAX];
    struct times times = {0};
    int count = choose_like(load, progress, links, list);
    for (int i = 0; i < count; i++) {
        double seconds = fmax((double)list[i].took->ms / 1000, 0.001);
        if (seconds > WAY_SECONDS)
            seconds *= fmax(links, 1) / fmax((double)list[i].took->links, 1);
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

/* How far forecasts are off at the moment, as a factor: as the times of items of one length are. */
static double spread_of(const struct queue_load *load, const struct queue_progress *progress) {
    struct times times = times_of(load, progress, (double)progress->remaining, 0);
    if (times.count < TIMES_LEAST)
        return SPREAD;
    double found = sqrt(part_of(&times, 0.85) / part_of(&times, 0.15));
    return fmin(fmax(found, SPREAD_LEAST), SPREAD_MOST);
}

/* --- An item that is leased --- */

/* The seconds that a chain has left which should take `whole`, `since` of them gone. */
static double left_of_time(double whole, double since) {
    return fmax(whole - since, (whole + since) / 20);
}

/* Between what workers tell and what was seen lately, by factors; the latter counts twice. */
static double between(double told, double seen) {
    return cbrt(told) * pow(cbrt(seen), 2);
}

/* By its worker's rate, and by what took how long lately. */
static double left_by_worker(const struct queue_load *load, const struct queue_progress *progress,
                             const struct supply_speed *speed, double chain, double items) {
    bool all_move = items <= speed->cores * SUPPLY_LANES;
    double since = supply_seconds_since(load, progress->granted_ms);
    struct hand hand = hand_of(load, progress->worker, progress->remaining, progress->granted_ms,
                               all_move ? chain : 0, 0);
    double before = all_move ? 0 : hand.before / speed->rate;
    double left = before + left_of_time((double)progress->remaining / chain, since);
    struct times times = times_of(load, progress, (double)progress->remaining, since);
    if (times.count >= TIMES_LEAST)
        left = between(left, part_of(&times, 0.5) - since);
    return left * SLOWER;
}

/* By its own rate; that of its worker counts as much as a report over TRUST_SECONDS. */
static double left_by_report(const struct queue_load *load, const struct queue_progress *progress,
                             double rate, double chain) {
    double span = fmax(supply_seconds_between(progress->granted_ms, progress->moved_ms), 0);
    double trusted = (rate * span + chain * TRUST_SECONDS) / (span + TRUST_SECONDS);
    return left_of_time((double)progress->remaining / trusted,
                        supply_seconds_since(load, progress->moved_ms));
}

static void forecast_leased(const struct queue_load *load, const struct queue_progress *progress,
                            struct eta *eta) {
    struct supply_speed speed = supply_speed_of(progress->rate, progress->cores, progress->kernel);
    double items = hand_of(load, progress->worker, 0, 0, 0, 0).items;
    double chain = supply_chain_rate(&speed, items);
    if (chain <= 0)
        return;
    double left = eta->rate > 0 ? left_by_report(load, progress, eta->rate, chain)
                                : left_by_worker(load, progress, &speed, chain, items);
    set(eta, left, spread_of(load, progress));
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

/* Whether there is a lane for each item up to this one. */
static bool has_free_lane(const struct queue_load *load, const struct supply_fleet *fleet,
                          const struct queue_progress *progress) {
    return (double)load->leased + (double)progress->ahead < fleet->lanes;
}

/* Seconds until a worker leases it, at the earliest and at the latest. */
struct start {
    double least;
    double most;
};

/* Workers keep a part of a lease's work in hand; in it a chain counts for one lane's part at most.
 * They ask for more when half of what long chains leave of it is free, and look every so often. */
static struct start start_of(const struct eta_rules *rules, const struct queue_load *load,
                             const struct supply_fleet *fleet, const struct supply *supply,
                             const struct queue_progress *progress) {
    double lease = (double)rules->lease_ms / 1000;
    double kept = fleet->rate * lease / LEASE_SHARE;
    double cap = fleet->lanes > 0 ? kept / fleet->lanes : 0;
    double ahead = progress->more ? ahead_by_rank(load, progress) : progress->ahead_work;
    struct hand hand = hand_of(load, -1, 0, 0, 0, cap);
    double least = fmax(ahead + hand.capped - kept, 0);
    double most = fmax(ahead + hand.capped - hand.stays - (kept - hand.stays) / 2, least);
    bool asked = load->leased == 0 || supply_seconds_since(load, load->oldest_ms) < ASKED_SECONDS;
    if (asked && has_free_lane(load, fleet, progress))
        return (struct start){0, 0};
    return (struct start){supply_seconds_for(supply, least),
                          supply_seconds_for(supply, most) + lease / LOOKS};
}

/* Seconds from its lease to its value. */
static double own_time(const struct queue_load *load, const struct supply_fleet *fleet,
                       const struct queue_progress *progress) {
    double chains = fmax((double)load->leased + (double)progress->ahead + 1, 1);
    double chain = fleet->lanes > 0 ? supply_rate_of_chain(fleet, chains)
                                    : (double)load->machine_rate / SUPPLY_LANES;
    double own = chain > 0 ? (double)progress->remaining / chain : SUPPLY_NEVER;
    if (fleet->rate > 0 && (double)load->leased > fleet->lanes)
        own += hand_of(load, -1, progress->remaining, INT64_MAX, 0, 0).before / fleet->rate;
    struct times times = times_of(load, progress, (double)progress->remaining, 0);
    if (times.count >= TIMES_LEAST)
        own = between(own, part_of(&times, 0.5));
    return own * SLOWER;
}

static void forecast_waiting(const struct eta_rules *rules, const struct queue_load *load,
                             const struct supply_fleet *fleet,
                             const struct queue_progress *progress, struct eta *eta) {
    struct supply supply = supply_of(rules, load, fleet);
    struct start start = start_of(rules, load, fleet, &supply, progress);
    if (fleet->rate <= 0 && supply.count < 2)
        return;
    if (start.most >= SUPPLY_NEVER)
        return;
    if (fleet->rate <= 0)
        start.least = start.most = fmax(start.most, supply.steps[1].at);
    double own = own_time(load, fleet, progress);
    double spread = spread_of(load, progress);
    if (start.most > 0)
        spread *= SPREAD_WAITING;
    eta->start = (start.least + start.most) / 2;
    set_between(eta, (start.least + own) / spread, eta->start + own, (start.most + own) * spread);
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
        if (eta->why[0] == '\0')
            forecast_leased(load, progress, eta);
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
    struct hand hand = hand_of(load, -1, 0, 0, chain, 0);
    struct hand reported = hand_of(load, -1, 0, 0, 0, 0);
    struct supply supply = supply_of(rules, load, &fleet);
    double work = fmax((double)load->remaining - (reported.work - hand.work), hand.longest);
    double all = supply_seconds_for(&supply, work);
    double longest = hand.longest / chain;
    set(eta, fmax(all, longest), SPREAD);
}
