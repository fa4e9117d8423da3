#include "supply.h"

#include <math.h>
#include <string.h>

#include "queue/queue_operators.h"

enum { PASSED_BY_MS = 2000 }; /* a worker with free lanes leases an item in less than this */

/* What a kernel does with chains side by side; its figures are in docs/kernels.md. */
struct supply_beside {
    const char *name; /* what the kernels' names begin with */
    double lone;      /* a core's rate over that of a lone chain */
    double width;     /* beside each other chains cost as much as the next multiple of this */
};

double supply_seconds_between(int64_t first_ms, int64_t last_ms) {
    return ((double)last_ms - (double)first_ms) / 1000;
}

double supply_seconds_since(const struct queue_load *load, int64_t moment_ms) {
    return fmax(supply_seconds_between(moment_ms, load->clock_ms), 0);
}

/* --- Workers --- */

static const struct supply_beside *beside_of(const char *kernel) {
    static const struct supply_beside known[] = {{"avx512", 6.7, 8}, {"avx2", 2, 4}, {"", 1, 1}};
    const struct supply_beside *beside = known;
    while (strncmp(kernel, beside->name, strlen(beside->name)) != 0)
        beside++;
    return beside;
}

struct supply_speed supply_speed_of(int64_t rate, int64_t cores, const char *kernel) {
    return (struct supply_speed){
        .rate = (double)rate, .cores = fmax((double)cores, 1), .beside = beside_of(kernel)};
}

double supply_chain_rate(const struct supply_speed *speed, double chains) {
    double core = speed->rate / speed->cores;
    double each = fmin(ceil(chains / speed->cores), SUPPLY_LANES);
    if (each <= 1)
        return core / speed->beside->lone;
    return core / (ceil(each / speed->beside->width) * speed->beside->width);
}

/* Whether an item waits that a worker with a free lane would have leased. */
static bool is_passed_by(const struct queue_load *load) {
    return load->oldest_ms >= 0 && !(load->paused & PART_LEASING) &&
           supply_seconds_since(load, load->oldest_ms) * 1000 > PASSED_BY_MS;
}

/* Whether a worker that has called lately seems to be gone: it holds nothing while an item waits.
 * A worker that is stopped gives its items back and says no more. */
static bool is_gone(const struct queue_load *load, const struct load_worker *worker) {
    if (!is_passed_by(load) || load->held_count < load->leased)
        return false;
    for (int i = 0; i < load->held_count; i++) {
        if (load->held[i].worker == worker->seq)
            return false;
    }
    return true;
}

struct supply_fleet supply_fleet_of(const struct queue_load *load) {
    struct supply_fleet fleet = {0};
    for (int i = 0; i < load->worker_count; i++) {
        const struct load_worker *worker = &load->workers[i];
        struct supply_speed speed = supply_speed_of(worker->rate, worker->cores, worker->kernel);
        double lanes = speed.cores * SUPPLY_LANES;
        if (worker->quarantined || is_gone(load, worker))
            continue;
        fleet.workers++;
        fleet.rate += speed.rate;
        fleet.lanes += lanes;
        fleet.lone += supply_chain_rate(&speed, 1) * lanes;
    }
    if (fleet.lanes > 0) {
        fleet.lone /= fleet.lanes;
        if (is_passed_by(load)) /* a worker may use fewer lanes than it has, by its kernel */
            fleet.lanes = fmin(fleet.lanes, fmax((double)load->leased, 1));
        fleet.full = fleet.rate / fleet.lanes;
    }
    return fleet;
}

double supply_rate_of_chain(const struct supply_fleet *fleet, double chains) {
    return chains >= fleet->lanes ? fleet->full : fmin(fleet->lone, fleet->rate / fmax(chains, 1));
}

/* --- The rate over time --- */

static void add_step(struct supply *supply, double at, double rate) {
    int place = supply->count++;
    for (; place > 0 && supply->steps[place - 1].at > at; place--)
        supply->steps[place] = supply->steps[place - 1];
    supply->steps[place].at = at;
    supply->steps[place].rate = rate;
}

double supply_seconds_for(const struct supply *supply, double work) {
    double at = 0;
    double rate = 0;
    for (int i = 0; i < supply->count; i++) {
        double until = supply->steps[i].at;
        if (rate > 0 && work <= rate * (until - at))
            return at + work / rate;
        work -= rate * (until - at);
        at = until;
        rate += supply->steps[i].rate;
    }
    return rate > 0 ? fmin(at + work / rate, SUPPLY_NEVER) : SUPPLY_NEVER;
}

/* What is left of some work after a time. */
static double left_after(const struct supply *supply, double work, double seconds) {
    for (int i = 0; i < supply->count && supply->steps[i].at < seconds; i++)
        work -= supply->steps[i].rate * (seconds - supply->steps[i].at);
    return fmax(work, 0);
}

static double boot_seconds(const struct eta_rules *rules, const struct queue_load *load) {
    return (double)(load->boot_ms >= 0 ? load->boot_ms : rules->boot_ms) / 1000;
}

/* A late one is expected in a quarter of the usual time, over and over. */
double supply_booted_in(const struct eta_rules *rules, const struct queue_load *load, int machine) {
    double boot = boot_seconds(rules, load);
    double age = supply_seconds_since(load, load->booting[machine].launched_ms);
    return fmax(boot - age, boot / 4);
}

double supply_launched_in(const struct eta_rules *rules, const struct queue_load *load) {
    double waited = load->oldest_ms < 0 ? 0 : supply_seconds_since(load, load->oldest_ms);
    return fmax((double)rules->wait_launch_ms / 1000 - waited, 0);
}

bool supply_may_launch(const struct eta_rules *rules, const struct queue_load *load) {
    return rules->launches && !(load->paused & PART_SCALING) &&
           load->machine_count < rules->workers_max;
}

/* How many machines the scaler will launch for what waits, as fcgi/scaler/scaling.c counts them. */
static double launches_for(const struct eta_rules *rules, const struct queue_load *load,
                           const struct supply *supply, double rate) {
    double boot = boot_seconds(rules, load);
    double own = (double)load->machine_rate;
    double left =
        left_after(supply, (double)load->remaining, supply_launched_in(rules, load) + boot);
    double least = fmax(boot, (double)rules->wait_launch_ms / 1000);
    double worth = floor((left / fmax(least, 1) - rate - load->booting_count * own) / own);
    worth = fmin(worth, (double)load->waiting - load->booting_count);
    if (left > 0 && load->booting_count == 0)
        worth = fmax(worth, 1);
    return fmin(worth, (double)rules->workers_max - load->machine_count);
}

struct supply supply_of(const struct eta_rules *rules, const struct queue_load *load,
                        const struct supply_fleet *fleet) {
    struct supply supply = {0};
    double own = (double)load->machine_rate;
    add_step(&supply, 0, fleet->rate);
    for (int i = 0; own > 0 && i < load->booting_count; i++)
        add_step(&supply, supply_booted_in(rules, load, i), own);
    if (own > 0 && load->waiting > 0 && supply_may_launch(rules, load)) {
        double more = launches_for(rules, load, &supply, fleet->rate);
        if (more > 0)
            add_step(&supply, supply_launched_in(rules, load) + boot_seconds(rules, load),
                     more * own);
    }
    return supply;
}
