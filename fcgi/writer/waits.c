/* Waits that were parked, and what ends them: an item, a change, a commit, their time. */

#include "batch_parts.h"
#include "clock.h"
#include "log.h"

enum { LATE_PULLS_MS = 1000 /* that a parked pull sleeps beside something done, at most */ };

/* Looks at the item of a parked look. */
static enum queue_result look(struct batch *batch, const struct parked_wait *wait,
                              struct queue_item *item) {
    log_set_request(wait->request.id);
    enum queue_result result = store_look(batch->store, wait->item, &queue_everybodys, item);
    log_set_request(NULL);
    return result;
}

/* Answers all parked looks at an item, which their callers may see, if it is done, pulled or
 * cancelled now. */
static void answer_looks(struct batch *batch, struct uuid id) {
    struct parked_wait *wait;
    while ((wait = parked_look(batch->parked, id)) != NULL) {
        struct queue_item item;
        enum queue_result result = look(batch, wait, &item);
        if (result == QUEUE_OK && item.state <= ITEM_LEASED)
            return;
        struct job *job = batch_unpark(batch, wait);
        if (!job)
            return;
        job->answer->body.item = item;
        batch_end_answer(batch, job, result);
    }
}

static void answer_looks_of_cancelled(struct batch *batch, const struct queue_cancel_many *cancel) {
    for (int i = 0; i < cancel->count; i++)
        answer_looks(batch, cancel->items[i]);
}

static void answer_looks_of_report(struct batch *batch, const struct queue_report *report,
                                   const struct queue_verdict *verdict) {
    for (int i = 0; i < report->count; i++) {
        if (verdict->taken[i] && report->items[i].remaining == 0)
            answer_looks(batch, report->items[i].id);
    }
}

/* Ends the parked leases of a worker that gives items back: it is stopping, and may have hung up
 * already. These leases would get the same items, which nobody would compute until the lease
 * lapses. */
static void end_leases_of(struct batch *batch, const struct queue_report *report,
                          const struct queue_verdict *verdict) {
    struct parked_wait *wait;
    bool released = false;
    for (int i = 0; i < report->count; i++)
        released |= verdict->taken[i] && report->items[i].release != 0;
    while (released && (wait = parked_lease_by(batch->parked, &report->worker)) != NULL) {
        struct job *job = batch_unpark(batch, wait);
        if (!job)
            return;
        batch_end_answer(batch, job, QUEUE_NONE);
    }
}

/* Answers the parked leases of the workers on a leaving machine, which tells them to drain. */
static void answer_leaving(struct batch *batch, const struct queue_machine_update *update) {
    struct parked_wait *wait;
    while (update->state == MACHINE_LEAVING && update->name[0] != '\0' &&
           (wait = parked_lease_on(batch->parked, update->name)) != NULL) {
        struct job *job = batch_unpark(batch, wait);
        if (!job)
            return;
        batch_end_answer(batch, job,
                         store_lease(batch->store, &wait->lease, &job->answer->body.grant));
    }
}

void waits_answer(struct batch *batch, const struct job *job) {
    const struct channel_message *operation = job->operation;
    switch (operation->header.operation) {
    case OPERATION_CANCEL:
        answer_looks(batch, operation->body.cancel.id);
        break;
    case OPERATION_CANCEL_MANY:
        answer_looks_of_cancelled(batch, &operation->body.cancel_many);
        break;
    case OPERATION_UPDATE_MACHINE:
        answer_leaving(batch, &operation->body.update);
        break;
    case OPERATION_REPORT:
        answer_looks_of_report(batch, &operation->body.report, &job->answer->body.verdict);
        end_leases_of(batch, &operation->body.report, &job->answer->body.verdict);
        break;
    default:
        break;
    }
}

/* Gives waiting items to the parked leases, the oldest first, while there are any. Leaves the rest
 * to the next batch when this one has enough to do. */
static void serve_leases(struct batch *batch) {
    struct parked_wait *wait;
    int rows = 0;
    while (store_leasable(batch->store) > 0 && rows < ROWS_MAX_LEASES &&
           store_state(batch->store) == STORE_GOOD &&
           (wait = parked_lease(batch->parked)) != NULL) {
        struct job *job = batch_unpark(batch, wait);
        if (!job)
            return;
        batch_end_answer(batch, job,
                         store_lease(batch->store, &wait->lease, &job->answer->body.grant));
        rows += wait->lease.items;
    }
}

/* Answers a parked pull for each item that its client has got done in this batch. It pulls by
 * another operation then, so that nothing is handed out to who has gone meanwhile. */
static void answer_pulls(struct batch *batch) {
    int next = 0;
    int64_t items;
    const char *client;
    while ((client = store_newly_done(batch->store, &next, &items)) != NULL) {
        struct parked_wait *wait;
        while (items-- > 0 && (wait = parked_pull(batch->parked, client)) != NULL) {
            struct job *job = batch_unpark(batch, wait);
            if (!job)
                return;
            batch_end_answer(batch, job, QUEUE_OK);
        }
    }
}

/* Answers the oldest parked pull whose client has something done all the same: the one that was
 * answered for it has gone, or could not pull; or what was set aside is free again. */
static void answer_late_pull(struct batch *batch) {
    int64_t now = clock_steady_ms();
    struct parked_wait *wait = parked_next_pull(batch->parked, NULL);
    if (!wait || now < batch->late_pulls_ms)
        return;
    while (wait && store_has_done(batch->store, wait->client) != QUEUE_OK)
        wait = parked_next_pull(batch->parked, wait);
    struct job *job = wait ? batch_unpark(batch, wait) : NULL;
    if (job)
        batch_end_answer(batch, job, QUEUE_OK);
    batch->late_pulls_ms = now + (job ? LATE_PULLS_MS / 10 : LATE_PULLS_MS);
}

void waits_answer_watches(struct batch *batch) {
    struct parked_wait *wait;
    while ((wait = parked_watch(batch->parked, store_last_batch(batch->store))) != NULL) {
        struct job *job = batch_unpark(batch, wait);
        if (!job)
            return;
        job->answer->body.number = store_last_batch(batch->store);
        batch_end_answer(batch, job, QUEUE_OK);
    }
}

/* Answers the expired waits: a lease, a pull or a watch with nothing, a look with the item as it
 * is. */
static void answer_expired(struct batch *batch) {
    int64_t now = clock_steady_ms();
    struct parked_wait *wait;
    while ((wait = parked_expired(batch->parked, now)) != NULL) {
        struct job *job = batch_unpark(batch, wait);
        if (!job)
            return;
        enum queue_result result = QUEUE_NONE;
        if (wait->operation == OPERATION_LOOK)
            result = look(batch, wait, &job->answer->body.item);
        batch_end_answer(batch, job, result);
    }
}

void waits_end(struct batch *batch) {
    serve_leases(batch);
    answer_pulls(batch);
    answer_late_pull(batch);
    answer_expired(batch);
}
