#include "decision_text.h"

#include <stdio.h>

enum { PHRASE_SIZE = 64 };

static long long seconds(int64_t ms) {
    return (long long)(ms / 1000);
}

/* "running 2, booting 1, leaving 1" */
static void count_machines(char text[PHRASE_SIZE], const struct scaling_snapshot *snapshot,
                           const struct scaling_decision *decision) {
    int running = 0;
    int booting = 0;
    int leaving = 0;
    for (int i = 0; i < snapshot->count; i++) {
        const struct scaling_machine *machine = &snapshot->machines[i];
        bool stays = machine->state <= MACHINE_LAUNCHED && decision->machines[i].step == STEP_KEEP;
        leaving += !stays && decision->machines[i].step != STEP_FORGET;
        running += stays && machine->heard_ms >= 0;
        booting += stays && machine->heard_ms < 0;
    }
    snprintf(text, PHRASE_SIZE, "running %d, booting %d, leaving %d", running, booting, leaving);
}

/* "when all is done as it is cannot be said" or "all is done in 12 s as it is" */
static void tell_drain(char text[PHRASE_SIZE], const struct scaling_decision *decision) {
    if (decision->drain_ms == INT64_MAX)
        snprintf(text, PHRASE_SIZE, "when all is done as it is cannot be said");
    else
        snprintf(text, PHRASE_SIZE, "all is done in %lld s as it is", seconds(decision->drain_ms));
}

/* "as many as WORKERS_MAX are there" or "as many as WORKERS_MAX and loans allow, 4, are there" */
static void tell_limit(char text[PHRASE_SIZE], const struct scaling_snapshot *snapshot,
                       const struct scaling_decision *decision) {
    if (decision->limit == snapshot->rules.workers_max)
        snprintf(text, PHRASE_SIZE, "as many as WORKERS_MAX are there");
    else
        snprintf(text, PHRASE_SIZE, "as many as WORKERS_MAX and loans allow, %lld, are there",
                 (long long)decision->limit);
}

void describe_launch(char why[QUEUE_WHY_SIZE], const struct scaling_snapshot *snapshot,
                     const struct scaling_decision *decision, const char *name) {
    char limit[PHRASE_SIZE];
    const char *const holds[] = {
        [REASON_LIMIT] = limit,
        [REASON_DRAINED] = "all would be done before a new one has booted",
        [REASON_BOOTING] = "those that boot are counted on",
        [REASON_FAILING] = "the provider fails at the moment and is asked again",
    };
    char machines[PHRASE_SIZE];
    char drain[PHRASE_SIZE];
    tell_limit(limit, snapshot, decision);
    count_machines(machines, snapshot, decision);
    tell_drain(drain, decision);
    if (decision->launch == 0)
        snprintf(why, QUEUE_WHY_SIZE, "launching none, for %s; an item has waited %lld s; %s; %s",
                 holds[decision->reason], seconds(snapshot->oldest_wait_ms), machines, drain);
    else if (decision->reason == REASON_MIN)
        snprintf(why, QUEUE_WHY_SIZE, "launching %.64s, for WORKERS_MIN is %lld; %s", name,
                 (long long)snapshot->rules.workers_min, machines);
    else
        snprintf(why, QUEUE_WHY_SIZE, "launching %.64s, for an item has waited %lld s; %s; %s",
                 name, seconds(snapshot->oldest_wait_ms), machines, drain);
}

void describe_step(char why[QUEUE_WHY_SIZE], const struct scaling_machine *machine,
                   enum scaling_step step, enum scaling_reason reason, const char *name,
                   const char *id) {
    static const char *const reasons[] = {
        [REASON_SURPLUS] = "there are more than WORKERS_MAX and loans allow",
        [REASON_TWICE] = "the provider has launched it more than once",
        [REASON_SILENT] = "its worker has been silent for too long",
        [REASON_NO_BOOT] = "its worker has never called",
        [REASON_LOST] = "the provider does not list it",
        [REASON_UNWANTED] = "it could not be launched and is not needed any more",
        [REASON_STRAY] = "this node does not know it, or took it for gone",
        [REASON_ENDED] = "the provider says that it has ended",
        [REASON_EMPTY] = "it is leaving and holds no item",
        [REASON_OVER] = "the provider does not run it any more",
        [REASON_RECALLED] = "the node that it was borrowed from wants it back",
        [REASON_AWAY] = "the node that it was borrowed from does not answer",
    };
    if (step == STEP_LEAVE && machine->state == MACHINE_GONE)
        snprintf(why, QUEUE_WHY_SIZE, "sending %s (%s) away, for %s", name, id, reasons[reason]);
    else if (step == STEP_LEAVE)
        snprintf(why, QUEUE_WHY_SIZE, "sending %s (%s) away, for %s; it holds %lld items", name, id,
                 reasons[reason], (long long)machine->items);
    else if (step == STEP_TERMINATE)
        snprintf(why, QUEUE_WHY_SIZE, "terminating %s (%s), for %s", name, id, reasons[reason]);
    else
        snprintf(why, QUEUE_WHY_SIZE, "%s (%s) is gone, for %s", name, id, reasons[reason]);
}

void describe_borrow(char why[QUEUE_WHY_SIZE], const struct scaling_snapshot *snapshot,
                     const struct scaling_decision *decision) {
    char limit[PHRASE_SIZE];
    tell_limit(limit, snapshot, decision);
    snprintf(why, QUEUE_WHY_SIZE,
             "asking node %d for a machine more, for %s; an item has waited %lld s",
             (int)decision->borrow_from, limit, seconds(snapshot->oldest_wait_ms));
}

void describe_answer(char why[QUEUE_WHY_SIZE], const struct scaling_decision *decision,
                     const struct fleet_wanted *wanted) {
    if (wanted->answer == ANSWER_LENT)
        snprintf(why, QUEUE_WHY_SIZE, "node %d lends a machine: there may be %lld here now",
                 (int)wanted->answered_by, (long long)decision->limit);
    else
        snprintf(why, QUEUE_WHY_SIZE, "node %d lends no machine now; it is asked again",
                 (int)wanted->answered_by);
}

void describe_loan(char why[QUEUE_WHY_SIZE], const struct scaling_snapshot *snapshot, int number,
                   enum scaling_reason reason) {
    const struct scaling_loan *loan = &snapshot->loans[number];
    int node = (int)loan->node;
    if (reason == REASON_LIMIT)
        snprintf(why, QUEUE_WHY_SIZE,
                 "wanting a machine back from node %d, for an item has waited %lld s", node,
                 seconds(snapshot->oldest_wait_ms));
    else if (loan->side == LOAN_GIVEN)
        snprintf(why, QUEUE_WHY_SIZE,
                 "a machine lent to node %d counts as returned, for its time is over", node);
    else if (loan->state == LOAN_WANTED)
        snprintf(why, QUEUE_WHY_SIZE, "asking node %d for a machine no more, for %s", node,
                 reason == REASON_AWAY ? "it does not answer" : "nothing waits for long");
    else
        snprintf(why, QUEUE_WHY_SIZE, "returning a machine to node %d, for %s", node,
                 reason == REASON_RECALLED ? "it wants it back"
                 : reason == REASON_AWAY   ? "it does not answer and the loan is over"
                                           : "none needs it");
}
