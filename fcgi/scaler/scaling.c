#include "scaling.h"

#include "scaling_loans.h"

/* Whether a machine stays: it is part of the capacity, now or soon. */
static bool is_active(const struct scaling_machine *machine) {
    return machine->state == MACHINE_LAUNCHING || machine->state == MACHINE_LAUNCHED;
}

static bool was_heard(const struct scaling_machine *machine) {
    return machine->heard_ms >= 0;
}

static bool is_silent(const struct scaling_rules *rules, const struct scaling_machine *machine) {
    return was_heard(machine) && machine->heard_ms > rules->silent_ms;
}

/* Why an active machine must leave; REASON_NONE when it may stay. */
static enum scaling_reason why_leave(const struct scaling_snapshot *snapshot,
                                     const struct scaling_machine *machine) {
    const struct scaling_rules *rules = &snapshot->rules;
    if (machine->copies > 1)
        return REASON_TWICE;
    if (is_silent(rules, machine))
        return REASON_SILENT;
    if (was_heard(machine))
        return REASON_NONE;
    if (machine->age_ms > rules->boot_max_ms)
        return REASON_NO_BOOT;
    if (machine->state == MACHINE_LAUNCHED && machine->absent_ms > SCALING_LOST_MS)
        return REASON_LOST;
    if (machine->state == MACHINE_LAUNCHING && machine->failing &&
        machine->listing != LISTING_RUNNING && snapshot->oldest_wait_ms <= rules->wait_launch_ms &&
        rules->workers_min == 0)
        return REASON_UNWANTED;
    return REASON_NONE;
}

/* The next step with a leaving machine. It keeps its items until they are done, given back or
 * lapsed; then it is terminated; once the provider does not have it any more, it is gone. */
static enum scaling_step send_away(const struct scaling_rules *rules,
                                   const struct scaling_machine *machine,
                                   enum scaling_reason *reason) {
    bool over = machine->listing == LISTING_TERMINATED ||
                (machine->listing == LISTING_ABSENT &&
                 (machine->has_id || machine->absent_ms > SCALING_LOST_MS));
    *reason = REASON_OVER;
    if (over && machine->list_is_newer)
        return STEP_FORGET;
    *reason = REASON_EMPTY;
    if (machine->items > 0 && !is_silent(rules, machine))
        return STEP_KEEP;
    return STEP_TERMINATE;
}

/* Decides about one machine by itself. */
static enum scaling_step judge(const struct scaling_snapshot *snapshot,
                               const struct scaling_machine *machine, enum scaling_reason *reason) {
    if (machine->state == MACHINE_LEAVING)
        return send_away(&snapshot->rules, machine, reason);
    if (machine->state == MACHINE_GONE) {
        *reason = REASON_STRAY;
        return STEP_LEAVE;
    }
    if (machine->listing == LISTING_TERMINATED && machine->list_is_newer) {
        *reason = REASON_ENDED;
        return STEP_FORGET;
    }
    *reason = why_leave(snapshot, machine);
    return *reason == REASON_NONE ? STEP_KEEP : STEP_LEAVE;
}

/* The machine to give up when too many stay (or leave, if leaving): the one that holds the fewest
 * items, of several such the youngest. -1 when none is left to choose from. */
static int least_needed(const struct scaling_snapshot *snapshot,
                        const struct scaling_decision *decision, bool leaving) {
    int found = -1;
    for (int i = 0; i < snapshot->count; i++) {
        const struct scaling_machine *machine = &snapshot->machines[i];
        bool fits = leaving ? machine->state == MACHINE_LEAVING : is_active(machine);
        if (!fits || decision->machines[i].step != STEP_KEEP)
            continue;
        const struct scaling_machine *best = found < 0 ? machine : &snapshot->machines[found];
        if (found < 0 || machine->items < best->items ||
            (machine->items == best->items && machine->age_ms < best->age_ms))
            found = i;
    }
    return found;
}

/* The machines once the decisions about single machines are carried out. */
struct capacity {
    int counted;  /* towards the limit: all that may exist, leaving ones too */
    int active;   /* counted ones that stay */
    int booting;  /* active ones that are expected to call soon */
    bool failing; /* an active one cannot be launched at the moment */
    int64_t rate; /* of all workers, those that no provider launched too */
};

/* Whether a machine that has not called yet is so late that it is not counted on. A launch that the
 * provider has not answered is never late: while the provider is slow, asking for another machine
 * does not help. */
static bool is_late(const struct scaling_snapshot *snapshot,
                    const struct scaling_machine *machine) {
    return machine->state == MACHINE_LAUNCHED &&
           machine->age_ms > SCALING_LATE_BOOTS * snapshot->boot_ms + SCALING_LATE_MORE_MS;
}

static struct capacity sum_up(const struct scaling_snapshot *snapshot,
                              const struct scaling_decision *decision) {
    struct capacity sum = {.rate = snapshot->outside_rate};
    for (int i = 0; i < snapshot->count; i++) {
        const struct scaling_machine *machine = &snapshot->machines[i];
        if (decision->machines[i].step == STEP_FORGET)
            continue;
        sum.counted += machine->copies > 1 ? machine->copies : 1;
        if (!is_active(machine) || decision->machines[i].step != STEP_KEEP)
            continue;
        sum.active++;
        sum.failing |= machine->failing && !was_heard(machine);
        if (was_heard(machine))
            sum.rate += machine->rate;
        else if (!machine->failing && !is_late(snapshot, machine))
            sum.booting++;
    }
    return sum;
}

/* Sends surplus machines away: a loan ends, WORKERS_MAX was lowered, or a stray turned up. */
static void drop_surplus(const struct scaling_snapshot *snapshot,
                         const struct scaling_limits *limits, struct scaling_decision *decision) {
    int active = sum_up(snapshot, decision).active;
    for (; active > limits->staying; active--) {
        int found = least_needed(snapshot, decision, false);
        if (found < 0)
            return;
        decision->machines[found].step = STEP_LEAVE;
        decision->machines[found].reason =
            active <= limits->staying + limits->ending ? limits->why_ending : REASON_SURPLUS;
    }
}

/* Terminates leaving machines although they hold items, at most one for each loan that is nearly
 * over. Any other surplus has time to drain. */
static void end_borrowed(const struct scaling_snapshot *snapshot,
                         const struct scaling_limits *limits, struct scaling_decision *decision) {
    int64_t many = sum_up(snapshot, decision).counted - limits->leaving;
    many = many < limits->over ? many : limits->over;
    for (int i = 0; i < snapshot->count; i++)
        many -= decision->machines[i].step == STEP_TERMINATE;
    for (; many > 0; many--) {
        int found = least_needed(snapshot, decision, true);
        if (found < 0)
            return;
        decision->machines[found].step = STEP_TERMINATE;
        decision->machines[found].reason = limits->why_ending;
    }
}

/* The iterations that are left after after_ms, if the running workers go on and each booting
 * machine joins after the usual boot time. */
static double left_after(const struct scaling_snapshot *snapshot,
                         const struct scaling_decision *decision, double rate, double after_ms) {
    double done = rate * after_ms / 1000;
    for (int i = 0; i < snapshot->count; i++) {
        const struct scaling_machine *machine = &snapshot->machines[i];
        if (!is_active(machine) || decision->machines[i].step != STEP_KEEP || was_heard(machine) ||
            machine->failing || is_late(snapshot, machine))
            continue;
        double joins_ms = (double)(snapshot->boot_ms - machine->age_ms);
        joins_ms = joins_ms < 0 ? 0 : joins_ms;
        if (after_ms > joins_ms)
            done += (double)snapshot->machine_rate * (after_ms - joins_ms) / 1000;
    }
    return (double)snapshot->remaining - done;
}

/* How many machines, launched now, would be busy for at least a boot time and the time that an item
 * may wait. Each needs a waiting item. */
static int worth_launching(const struct scaling_snapshot *snapshot, const struct capacity *capacity,
                           double left) {
    double least_ms = (double)snapshot->boot_ms;
    if (least_ms < (double)snapshot->rules.wait_launch_ms)
        least_ms = (double)snapshot->rules.wait_launch_ms;
    double own = (double)snapshot->machine_rate;
    double others = (double)capacity->rate + capacity->booting * own;
    double count = (left * 1000 / (least_ms < 1 ? 1 : least_ms) - others) / own;
    double most = (double)snapshot->waiting - capacity->booting;
    count = count < most ? count : most;
    return count < 0 ? 0 : count > QUEUE_MACHINES_MAX ? QUEUE_MACHINES_MAX : (int)count;
}

/* The time until the running and booting machines have done everything, as far as their rate is
 * known. */
static int64_t drain_time(const struct scaling_snapshot *snapshot, const struct capacity *capacity,
                          double left_at_boot) {
    double rate = (double)capacity->rate;
    if (left_at_boot > 0)
        rate += capacity->booting * (double)snapshot->machine_rate;
    if (rate < 1)
        return snapshot->remaining > 0 ? INT64_MAX : 0;
    double ms = left_at_boot > 0 ? (double)snapshot->boot_ms + left_at_boot * 1000 / rate
                                 : (double)snapshot->remaining * 1000 / rate;
    return ms < 9e15 ? (int64_t)ms : INT64_MAX;
}

/* How many machines to launch for an item that waits too long; the decision's reason says why no
 * more. */
static int launch_for_wait(const struct scaling_snapshot *snapshot, const struct capacity *capacity,
                           struct scaling_decision *decision) {
    const struct scaling_rules *rules = &snapshot->rules;
    double left = left_after(snapshot, decision, (double)capacity->rate, (double)snapshot->boot_ms);
    decision->drain_ms = drain_time(snapshot, capacity, left);
    /* Nothing would wait now if the same forecast had been right a boot time ago. */
    bool trusted = snapshot->oldest_wait_ms <= rules->wait_launch_ms + snapshot->boot_ms;
    if (left <= 0 && trusted) {
        decision->reason = capacity->booting > 0 ? REASON_BOOTING : REASON_DRAINED;
        return 0;
    }
    decision->reason = REASON_WAIT;
    int worth = snapshot->machine_rate > 0 ? worth_launching(snapshot, capacity, left) : 0;
    if (capacity->booting == 0)
        return worth > 1 ? worth : 1;
    if (worth == 0)
        decision->reason = REASON_BOOTING;
    return worth;
}

/* How many machines to launch. */
static void decide_launch(const struct scaling_snapshot *snapshot,
                          struct scaling_decision *decision) {
    const struct scaling_rules *rules = &snapshot->rules;
    struct capacity capacity = sum_up(snapshot, decision);
    int64_t room = decision->limit - capacity.counted;
    int64_t missing = rules->workers_min - capacity.active;
    int64_t wanted = 0;
    decision->drain_ms = INT64_MAX;
    if (snapshot->oldest_wait_ms > rules->wait_launch_ms)
        wanted = launch_for_wait(snapshot, &capacity, decision);
    if (missing > wanted) {
        wanted = missing;
        decision->reason = REASON_MIN;
    }
    if (wanted > 0 && capacity.failing)
        decision->reason = REASON_FAILING;
    else if (wanted > 0 && room <= 0)
        decision->reason = REASON_LIMIT;
    else if (wanted > 0)
        decision->launch = (int)(wanted < room ? wanted : room);
}

/* Notes the machines that are gone by themselves, and nothing else. */
static void only_forget(const struct scaling_snapshot *snapshot,
                        struct scaling_decision *decision) {
    for (int i = 0; i < snapshot->count; i++) {
        if (decision->machines[i].step != STEP_FORGET)
            decision->machines[i].step = STEP_KEEP;
    }
    decision->borrow_from = SCALING_NOBODY;
    decision->drain_ms = INT64_MAX;
    decision->loan_due_ms = INT64_MAX;
}

void scaling_decide(const struct scaling_snapshot *snapshot, struct scaling_decision *decision) {
    *decision = (struct scaling_decision){0};
    for (int i = 0; i < snapshot->count; i++)
        decision->machines[i].step =
            judge(snapshot, &snapshot->machines[i], &decision->machines[i].reason);
    if (snapshot->paused) {
        only_forget(snapshot, decision);
        return;
    }
    struct scaling_limits limits = scaling_limits(snapshot);
    decision->limit = limits.staying;
    drop_surplus(snapshot, &limits, decision);
    end_borrowed(snapshot, &limits, decision);
    decide_launch(snapshot, decision);
    scaling_decide_loans(snapshot, sum_up(snapshot, decision).counted, decision);
}
