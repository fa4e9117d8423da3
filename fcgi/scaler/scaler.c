/* The scaler: the process that lets the fleet of workers grow and shrink. */

#include "scaler.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/child.h"
#include "base/machine_token.h"
#include "clock.h"
#include "decision_text.h"
#include "log.h"
#include "queue/id.h"
#include "retry.h"

enum {
    TURN_MS = 1000,
    HOLD_MS = 10000,            /* least time between two log lines why nothing is launched */
    TERMINATE_AGAIN_MS = 30000, /* until a machine that is still there is terminated again */
    QUIET_LISTS = 6,            /* without machines, lists come this many times less often */
    VERBS = 3
};

struct scaler {
    const struct conf *conf;
    struct queue *queue;
    struct provider provider;
    struct retry retries[VERBS];
    struct fleet fleet;
    struct scaling_snapshot snapshot;
    struct scaling_decision decision;
    bool first_list_over; /* the first call for a list has ended, well or not */
    int64_t next_list_ms;
    int64_t next_turn_ms;
    enum scaling_reason held; /* why none was launched, as logged last */
    int64_t held_ms;
    bool refusal_told; /* the last answer logged was a refusal; further ones are not logged */
};

/* Saves a change and logs why. False when it could not be saved: it is decided again. A launch is
 * refused when loans have changed meanwhile. */
static bool save(struct scaler *scaler, const struct queue_machine_update *update) {
    if (queue_update_machine(scaler->queue, update) != QUEUE_OK)
        return false;
    if (update->why[0] != '\0')
        log_info("%s", update->why);
    return true;
}

/* Saves a decision that changes no machine. */
static void keep(struct scaler *scaler, const char *why) {
    struct queue_machine_update update = {0};
    snprintf(update.why, sizeof update.why, "%s", why);
    queue_update_machine(scaler->queue, &update);
}

/* Saves and logs a decision that changes no machine. */
static void tell(struct scaler *scaler, const char *why) {
    log_info("%s", why);
    keep(scaler, why);
}

/* Notes that a call went well. */
static void note_success(struct scaler *scaler, enum provider_verb verb) {
    int64_t seconds;
    if (retry_succeeded(&scaler->retries[verb], &seconds))
        log_info("the provider's %s works again", provider_verb_name(verb));
}

/* Notes that a call failed: the next waits for the back-off. Warns of the first failure in a row.
 */
static void note_failure(struct scaler *scaler, enum provider_verb verb, const char *name,
                         const char *complaint) {
    struct retry *retry = &scaler->retries[verb];
    char why[QUEUE_WHY_SIZE];
    snprintf(why, sizeof why, "the provider's %s%s%s failed and is tried again: %s",
             provider_verb_name(verb), name[0] ? " of " : "", name, complaint);
    if (retry_failed(retry)) {
        log_warn("%s", why);
        keep(scaler, why);
    } else {
        log_debug("%s", why);
    }
    retry_delay(retry, 0, INT64_MAX);
}

static bool may_call(const struct scaler *scaler, enum provider_verb verb) {
    return retry_is_due(&scaler->retries[verb]);
}

/* Schedules the next turn at most ms from now. */
static void turn_within(struct scaler *scaler, int64_t ms) {
    int64_t then_ms = clock_steady_ms() + ms;
    if (then_ms < scaler->next_turn_ms)
        scaler->next_turn_ms = then_ms;
}

/* Schedules the next list at most ms from now. */
static void list_within(struct scaler *scaler, int64_t ms) {
    int64_t then_ms = clock_steady_ms() + ms;
    if (then_ms < scaler->next_list_ms)
        scaler->next_list_ms = then_ms;
}

/* --- What the provider answers --- */

static void take_launch(struct scaler *scaler, const struct provider_result *result) {
    struct fleet_note *note = fleet_note(&scaler->fleet, result->name);
    if (note) {
        note->failing = !result->good;
        note->launched_ms = clock_steady_ms();
    }
    if (!result->good) {
        note_failure(scaler, PROVIDER_LAUNCH, result->name, result->complaint);
        list_within(scaler, 0); /* it may have been launched all the same */
        return;
    }
    note_success(scaler, PROVIDER_LAUNCH);
    struct queue_machine_update update = {.state = MACHINE_LAUNCHED,
                                          .launched_ago_ms = clock_steady_ms() - result->begun_ms};
    snprintf(update.name, sizeof update.name, "%s", result->name);
    snprintf(update.id, sizeof update.id, "%s", result->id);
    snprintf(update.why, sizeof update.why, "%s is launched as %s", result->name, result->id);
    save(scaler, &update);
}

static void take_list(struct scaler *scaler, const struct provider_result *result) {
    const char *why = result->complaint;
    bool good =
        result->good && fleet_take_list(&scaler->fleet, result->text, result->begun_ms, &why);
    int64_t pause_ms = scaler->conf->list_seconds * 1000;
    scaler->first_list_over = true;
    if (good)
        note_success(scaler, PROVIDER_LIST);
    else
        note_failure(scaler, PROVIDER_LIST, "", why);
    if (scaler->fleet.saved.machine_count == 0)
        pause_ms *= QUIET_LISTS;
    scaler->next_list_ms = clock_steady_ms() + pause_ms;
}

static void take_terminate(struct scaler *scaler, const struct provider_result *result) {
    struct fleet_note *note = fleet_note(&scaler->fleet, result->name);
    if (!result->good) {
        note_failure(scaler, PROVIDER_TERMINATE, result->name, result->complaint);
        return;
    }
    note_success(scaler, PROVIDER_TERMINATE);
    if (note) {
        note->terminated_ms = clock_steady_ms();
        note->terminate_again_ms = note->terminated_ms + TERMINATE_AGAIN_MS;
    }
    list_within(scaler, 0);
}

static void take_result(struct scaler *scaler, const struct provider_result *result) {
    static void (*const take[VERBS])(struct scaler *, const struct provider_result *) = {
        [PROVIDER_LAUNCH] = take_launch,
        [PROVIDER_LIST] = take_list,
        [PROVIDER_TERMINATE] = take_terminate};
    take[result->verb](scaler, result);
    scaler->next_turn_ms = 0;
}

/* --- What is decided --- */

/* Logs why nothing is launched although an item waits, when the reason is new. */
static void tell_hold(struct scaler *scaler) {
    const struct scaling_decision *decision = &scaler->decision;
    int64_t now_ms = clock_steady_ms();
    char why[QUEUE_WHY_SIZE];
    if (decision->launch > 0 || decision->reason == REASON_NONE) {
        /* Waiting for the machines launched now is no news. */
        scaler->held = decision->launch > 0 ? REASON_BOOTING : REASON_NONE;
        return;
    }
    if (decision->reason == scaler->held || now_ms - scaler->held_ms < HOLD_MS)
        return;
    scaler->held = decision->reason;
    scaler->held_ms = now_ms;
    describe_launch(why, &scaler->snapshot, decision, "");
    tell(scaler, why);
}

/* Saves the intents to launch; call_launches then calls the provider, as for earlier intents. */
static void launch(struct scaler *scaler) {
    for (int i = 0; i < scaler->decision.launch; i++) {
        struct queue_machine_update update = {.state = MACHINE_LAUNCHING};
        machine_new_name(scaler->fleet.conf, update.name);
        describe_launch(update.why, &scaler->snapshot, &scaler->decision, update.name);
        if (!save(scaler, &update))
            return;
        scaler->next_turn_ms = 0;
    }
}

/* Saves that a machine is leaving or gone. */
static void change_state(struct scaler *scaler, int number, enum machine_state state) {
    const struct queue_machine *machine = &scaler->fleet.saved.machines[number];
    struct queue_machine_update update = {.state = state};
    memcpy(update.name, machine->name, sizeof update.name);
    memcpy(update.id, machine->id, sizeof update.id);
    describe_step(update.why, &scaler->snapshot.machines[number],
                  scaler->decision.machines[number].step, scaler->decision.machines[number].reason,
                  machine->name, machine->id[0] ? machine->id : "no id");
    if (save(scaler, &update))
        scaler->next_turn_ms = 0;
}

/* Has the provider terminate a machine, under all its ids. */
static void terminate(struct scaler *scaler, int number) {
    const struct queue_machine *machine = &scaler->fleet.saved.machines[number];
    struct fleet_note *note = scaler->fleet.notes[number];
    struct provider *provider = &scaler->provider;
    const char *ids[PROVIDER_IDS_MAX];
    char why[QUEUE_WHY_SIZE];
    int count = fleet_ids(&scaler->fleet, machine, ids);
    if (count == 0 || note->terminate_again_ms > clock_steady_ms() ||
        !may_call(scaler, PROVIDER_TERMINATE) ||
        provider_is_calling(provider, PROVIDER_TERMINATE, machine->name) ||
        provider_is_calling(provider, PROVIDER_LAUNCH, machine->name))
        return;
    if (!provider_terminate(provider, machine->name, ids, count))
        return;
    if (note->told)
        return;
    note->told = true;
    describe_step(why, &scaler->snapshot.machines[number], STEP_TERMINATE,
                  scaler->decision.machines[number].reason, machine->name, ids[0]);
    tell(scaler, why);
}

/* Asks a peer for a loan. Repeated requests after a refusal are not logged. */
static void borrow(struct scaler *scaler) {
    struct queue_loan_step step = {.id = id_new((int)scaler->conf->node),
                                   .node = scaler->decision.borrow_from,
                                   .step = LOAN_WANT};
    char why[QUEUE_WHY_SIZE];
    if (step.node == SCALING_NOBODY || queue_loan(scaler->queue, &step) != QUEUE_OK)
        return;
    fleet_note_wanted(&scaler->fleet, &step.id, step.node);
    if (scaler->refusal_told)
        return;
    describe_borrow(why, &scaler->snapshot, &scaler->decision);
    tell(scaler, why);
}

/* Logs a peer's answer. */
static void tell_answer(struct scaler *scaler) {
    const struct fleet_wanted *wanted = &scaler->fleet.wanted;
    char why[QUEUE_WHY_SIZE];
    bool refused = wanted->answer == ANSWER_REFUSED;
    if (wanted->answer != ANSWER_NONE && !(refused && scaler->refusal_told)) {
        describe_answer(why, &scaler->decision, wanted);
        tell(scaler, why);
        scaler->refusal_told = refused;
    }
    if (scaler->decision.reason != REASON_LIMIT)
        scaler->refusal_told = false;
}

/* Returns a taken loan, or recalls a given one. */
static void change_loan(struct scaler *scaler, int number) {
    const struct queue_loan *loan = &scaler->fleet.peers.loans[number];
    bool taken = scaler->decision.loans[number].step == LOAN_STEP_RETURN;
    struct queue_loan_step step = {
        .id = loan->id, .node = loan->node, .step = taken ? LOAN_RETURN : LOAN_RECALL};
    char why[QUEUE_WHY_SIZE];
    if (queue_loan(scaler->queue, &step) != QUEUE_OK)
        return;
    if (taken)
        fleet_forget_wanted(&scaler->fleet, loan);
    describe_loan(why, &scaler->snapshot, number, scaler->decision.loans[number].reason);
    tell(scaler, why);
}

static void carry_out_loans(struct scaler *scaler) {
    tell_answer(scaler);
    for (int i = 0; i < scaler->snapshot.loan_count; i++) {
        if (scaler->decision.loans[i].step != LOAN_STEP_KEEP)
            change_loan(scaler, i);
    }
    borrow(scaler);
}

static void carry_out(struct scaler *scaler) {
    for (int i = 0; i < scaler->snapshot.count; i++) {
        switch (scaler->decision.machines[i].step) {
        case STEP_LEAVE:
            change_state(scaler, i, MACHINE_LEAVING);
            break;
        case STEP_FORGET:
            change_state(scaler, i, MACHINE_GONE);
            break;
        case STEP_TERMINATE:
            terminate(scaler, i);
            break;
        case STEP_KEEP:
            break;
        }
    }
    tell_hold(scaler);
    carry_out_loans(scaler);
    launch(scaler);
}

/* Calls the provider for every machine that must be launched and has not called, also when an
 * earlier scaler began the launch or its answer got lost: launching is idempotent, the same name
 * gives the same machine. */
static void call_launches(struct scaler *scaler) {
    struct provider *provider = &scaler->provider;
    for (int i = 0; i < scaler->fleet.saved.machine_count; i++) {
        const struct queue_machine *machine = &scaler->fleet.saved.machines[i];
        if (machine->state == MACHINE_LAUNCHING && machine->heard_ms < 0 &&
            scaler->decision.machines[i].step == STEP_KEEP &&
            scaler->snapshot.machines[i].listing != LISTING_RUNNING &&
            may_call(scaler, PROVIDER_LAUNCH) &&
            !provider_is_calling(provider, PROVIDER_LAUNCH, machine->name))
            provider_launch(provider, machine->name);
    }
}

/* Takes from the list the ids of machines whose launch was not answered. */
static void adopt_ids(struct scaler *scaler) {
    for (int i = 0; i < scaler->fleet.saved.machine_count; i++) {
        const struct queue_machine *machine = &scaler->fleet.saved.machines[i];
        const char *ids[PROVIDER_IDS_MAX];
        struct queue_machine_update update = {.state = MACHINE_LAUNCHED,
                                              .launched_ago_ms = scaler->fleet.tally.clock_ms -
                                                                 machine->launched_ms};
        if (machine->state != MACHINE_LAUNCHING || machine->id[0] != '\0' ||
            provider_is_calling(&scaler->provider, PROVIDER_LAUNCH, machine->name) ||
            fleet_ids(&scaler->fleet, machine, ids) == 0)
            continue;
        memcpy(update.name, machine->name, sizeof update.name);
        snprintf(update.id, sizeof update.id, "%s", ids[0]);
        snprintf(update.why, sizeof update.why, "%s is there as %s", machine->name, ids[0]);
        if (save(scaler, &update))
            scaler->next_turn_ms = 0;
    }
}

/* Calls for a list when it is time. */
static void call_list(struct scaler *scaler) {
    if (scaler->next_list_ms <= clock_steady_ms() && may_call(scaler, PROVIDER_LIST) &&
        !provider_is_calling(&scaler->provider, PROVIDER_LIST, NULL))
        provider_list(&scaler->provider);
}

/* Reads the state, decides, and carries the decision out. */
static void turn(struct scaler *scaler) {
    scaler->next_turn_ms = clock_steady_ms() + TURN_MS;
    call_list(scaler);
    if (!scaler->first_list_over || !fleet_read(&scaler->fleet, scaler->queue))
        return;
    if (scaler->fleet.saved.machine_count > 0)
        list_within(scaler, scaler->conf->list_seconds * 1000);
    fleet_snapshot(&scaler->fleet, &scaler->provider, &scaler->snapshot);
    scaling_decide(&scaler->snapshot, &scaler->decision);
    if (scaler->decision.loan_due_ms < TURN_MS)
        turn_within(scaler, scaler->decision.loan_due_ms);
    adopt_ids(scaler);
    if (!scaler->snapshot.paused)
        call_launches(scaler);
    carry_out(scaler);
}

/* Waits until the next turn is due or a call of the provider has news. */
static void wait_for_events(struct scaler *scaler) {
    struct pollfd fds[3 * PROVIDER_CALLS_MAX];
    int64_t until_ms = scaler->next_turn_ms;
    int count = provider_poll(&scaler->provider, fds, &until_ms);
    int timeout_ms = clock_timeout_ms(until_ms);
    struct timespec timeout = {.tv_sec = timeout_ms / 1000,
                               .tv_nsec = timeout_ms % 1000 * 1000000L};
    if (ppoll(fds, (nfds_t)count, &timeout, child_wait_mask()) < 0 && errno != EINTR)
        log_warn("poll: %m");
}

static void serve(struct scaler *scaler) {
    struct provider_result result;
    while (!child_stopping()) {
        child_idle();
        wait_for_events(scaler);
        child_busy();
        while (provider_next(&scaler->provider, &result))
            take_result(scaler, &result);
        if (scaler->next_turn_ms <= clock_steady_ms())
            turn(scaler);
    }
}

int serve_scaler(const struct child_job *job) {
    struct scaler *scaler = calloc(1, sizeof *scaler);
    if (!scaler || !(scaler->queue = queue_open(job->conf, job->channel))) {
        log_error("the scaler cannot start for want of memory; give this machine more");
        free(scaler);
        return EXIT_TEMPORARY;
    }
    scaler->conf = job->conf;
    fleet_open(&scaler->fleet, job->conf);
    provider_open(&scaler->provider, job->conf);
    child_ready();
    serve(scaler);
    provider_close(&scaler->provider);
    queue_close(scaler->queue);
    free(scaler);
    return EXIT_OK;
}
