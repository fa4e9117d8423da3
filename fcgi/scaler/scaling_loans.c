#include "scaling_loans.h"

#include <stddef.h>

/* Whether a machine of this node may exist by this loan. */
static bool is_taken(const struct scaling_loan *loan) {
    return loan->side == LOAN_TAKEN && loan->state != LOAN_WANTED;
}

/* Time left of a taken loan below which no machine may stay by it. */
static int64_t drain_ms(const struct scaling_snapshot *snapshot) {
    return snapshot->rules.loan_ms / 3;
}

/* Time left below which no machine may exist by it, not even one that holds items. */
static int64_t end_ms(const struct scaling_snapshot *snapshot) {
    return snapshot->rules.loan_ms / 6;
}

/* Whether a machine may stay by this loan. */
static bool is_good(const struct scaling_snapshot *snapshot, const struct scaling_loan *loan) {
    return is_taken(loan) && loan->state == LOAN_HELD && loan->left_ms > drain_ms(snapshot);
}

/* Whether a peer may run a machine by this loan, so that this node may not. */
static bool is_given(const struct scaling_loan *loan) {
    return loan->side == LOAN_GIVEN && loan->left_ms > 0;
}

static bool waits_too_long(const struct scaling_snapshot *snapshot) {
    return snapshot->oldest_wait_ms > snapshot->rules.wait_launch_ms;
}

struct scaling_limits scaling_limits(const struct scaling_snapshot *snapshot) {
    struct scaling_limits limits = {.why_ending = REASON_AWAY};
    int64_t own = snapshot->rules.workers_max;
    int taken = 0;
    for (int i = 0; i < snapshot->loan_count; i++) {
        const struct scaling_loan *loan = &snapshot->loans[i];
        own -= is_given(loan);
        if (!is_taken(loan))
            continue;
        taken++;
        limits.ending += !is_good(snapshot, loan);
        limits.over += loan->left_ms <= end_ms(snapshot);
        if (loan->state == LOAN_RECALLED)
            limits.why_ending = REASON_RECALLED;
    }
    limits.staying = own + taken - limits.ending;
    limits.leaving = own + taken - limits.over;
    return limits;
}

/* Why to give a taken loan up; REASON_NONE to keep it. spare: how many more machines the limit
 * allows. */
static enum scaling_reason why_return(const struct scaling_snapshot *snapshot,
                                      const struct scaling_loan *loan, int64_t spare) {
    bool waits = waits_too_long(snapshot);
    if (loan->state == LOAN_WANTED)
        return loan->away ? REASON_AWAY : waits ? REASON_NONE : REASON_UNUSED;
    if (is_good(snapshot, loan))
        return spare > 0 && !waits ? REASON_UNUSED : REASON_NONE;
    if (spare < 0)
        return REASON_NONE;
    if (loan->state == LOAN_RECALLED)
        return REASON_RECALLED;
    if (loan->left_ms <= 0)
        return REASON_AWAY;
    return waits ? REASON_NONE : REASON_UNUSED;
}

/* Gives up taken loans that are not needed or at their end. */
static void return_loans(const struct scaling_snapshot *snapshot, int64_t spare,
                         struct scaling_decision *decision) {
    for (int i = 0; i < snapshot->loan_count; i++) {
        const struct scaling_loan *loan = &snapshot->loans[i];
        if (loan->side != LOAN_TAKEN)
            continue;
        enum scaling_reason reason = why_return(snapshot, loan, spare);
        if (reason == REASON_NONE)
            continue;
        decision->loans[i].step = LOAN_STEP_RETURN;
        decision->loans[i].reason = reason;
        spare -= is_good(snapshot, loan);
    }
}

/* Forgets given loans that are over. */
static void forget_loans(const struct scaling_snapshot *snapshot,
                         struct scaling_decision *decision) {
    for (int i = 0; i < snapshot->loan_count; i++) {
        const struct scaling_loan *loan = &snapshot->loans[i];
        if (loan->side != LOAN_GIVEN || loan->left_ms > 0)
            continue;
        decision->loans[i].step = LOAN_STEP_RECALL;
        decision->loans[i].reason = loan->state == LOAN_RECALLED ? REASON_RECALLED : REASON_AWAY;
    }
}

/* Recalls a given loan, one at a time. False when none can be recalled. */
static bool recall(const struct scaling_snapshot *snapshot, struct scaling_decision *decision) {
    int found = -1;
    for (int i = 0; i < snapshot->loan_count; i++) {
        if (!is_given(&snapshot->loans[i]))
            continue;
        if (snapshot->loans[i].state == LOAN_RECALLED)
            return true;
        found = i;
    }
    if (found < 0)
        return false;
    decision->loans[found].step = LOAN_STEP_RECALL;
    decision->loans[found].reason = REASON_LIMIT;
    return true;
}

/* Asks the peer, unless it is silent, for a loan, one at a time. */
static void borrow(const struct scaling_snapshot *snapshot, struct scaling_decision *decision) {
    if (snapshot->refused || snapshot->rules.workers_max == 0 ||
        snapshot->loan_count == QUEUE_LOANS_MAX)
        return;
    for (int i = 0; i < snapshot->loan_count; i++) {
        if (snapshot->loans[i].side == LOAN_TAKEN && snapshot->loans[i].state == LOAN_WANTED)
            return;
    }
    if (snapshot->has_peer && !snapshot->peer.away)
        decision->borrow_from = snapshot->peer.node;
}

/* Until the next stage of a taken loan, if it is not renewed. */
static int64_t next_stage_ms(const struct scaling_snapshot *snapshot) {
    const int64_t stages[] = {drain_ms(snapshot), end_ms(snapshot), 0};
    int64_t least_ms = INT64_MAX;
    for (int i = 0; i < snapshot->loan_count; i++) {
        const struct scaling_loan *loan = &snapshot->loans[i];
        for (size_t stage = 0; is_taken(loan) && stage < sizeof stages / sizeof *stages; stage++) {
            int64_t ms = loan->left_ms - stages[stage];
            if (ms > 0 && ms < least_ms)
                least_ms = ms;
        }
    }
    return least_ms;
}

void scaling_decide_loans(const struct scaling_snapshot *snapshot, int counted,
                          struct scaling_decision *decision) {
    decision->borrow_from = SCALING_NOBODY;
    decision->loan_due_ms = next_stage_ms(snapshot);
    return_loans(snapshot, decision->limit - counted - decision->launch, decision);
    forget_loans(snapshot, decision);
    bool short_of_machines = decision->reason == REASON_LIMIT && waits_too_long(snapshot);
    if (short_of_machines && !recall(snapshot, decision))
        borrow(snapshot, decision);
}
