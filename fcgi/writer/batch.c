#include "batch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "batch_parts.h"
#include "clock.h"
#include "log.h"
#include "operation.h"

struct batch *batch_new(struct store *store, struct parked *parked) {
    struct batch *batch = calloc(1, sizeof *batch);
    if (!batch)
        return NULL;
    batch->store = store;
    batch->parked = parked;
    batch->jobs = malloc(JOBS_MAX * sizeof *batch->jobs);
    batch->in = malloc(IN_BYTES);
    batch->out = malloc(OUT_BYTES);
    if (batch->jobs && batch->in && batch->out)
        return batch;
    batch_free(batch);
    return NULL;
}

void batch_free(struct batch *batch) {
    free(batch->jobs);
    free(batch->in);
    free(batch->out);
    free(batch->returns);
    free(batch);
}

struct channel_message *batch_room(struct batch *batch) {
    bool full = batch->operations == OPERATIONS_MAX || batch->rows >= ROWS_MAX ||
                batch->in_used + sizeof(struct channel_message) > IN_BYTES ||
                batch->out_reserved > OUT_BYTES_OPERATIONS;
    return full ? NULL : (struct channel_message *)(void *)(batch->in + batch->in_used);
}

bool batch_add(struct batch *batch, void *owner, size_t size) {
    struct channel_message *message = batch_room(batch);
    if (!message || size != operation_size(message) || !operation_sane(message))
        return false;
    batch->jobs[batch->operations++] = (struct job){.owner = owner, .operation = message};
    batch->count = batch->operations;
    batch->in_used += batch_align(size);
    batch->out_reserved += batch_align(operation_answer_max(message));
    batch->rows += operation_rows(message);
    return true;
}

void batch_return_lease(struct batch *batch, struct queue_return grant) {
    if (batch->return_count == batch->return_capacity) {
        int capacity = batch->return_capacity ? 2 * batch->return_capacity : 16;
        struct queue_return *returns = realloc(batch->returns, (size_t)capacity * sizeof *returns);
        if (!returns)
            return; /* the lease lapses by itself */
        batch->returns = returns;
        batch->return_capacity = capacity;
    }
    batch->returns[batch->return_count++] = grant;
}

void batch_disown(struct batch *batch, void *owner) {
    struct parked_wait *wait;
    while ((wait = parked_of(batch->parked, owner, 0)) != NULL) {
        parked_take(batch->parked, wait);
        parked_discard(batch->parked, wait);
    }
    for (int i = 0; i < batch->count; i++) {
        if (batch->jobs[i].owner == owner)
            batch->jobs[i].owner = NULL;
    }
}

int64_t batch_due_ms(const struct batch *batch) {
    if (batch->operations > 0)
        return 0;
    int64_t due = store_next_lapse(batch->store);
    const int64_t others[] = {store_next_removal(batch->store), store_next_given_up(batch->store),
                              store_next_history(batch->store), parked_until(batch->parked)};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        due = others[i] < due ? others[i] : due;
    if (parked_next_pull(batch->parked, NULL) && batch->late_pulls_ms < due)
        due = batch->late_pulls_ms;
    if (batch->return_count > 0 ||
        (parked_lease(batch->parked) && store_leasable(batch->store) > 0) ||
        parked_watch(batch->parked, store_last_batch(batch->store)))
        due = 0;
    return due > batch->retry_ms ? due : batch->retry_ms;
}

/* Whether a lease, look or watch with this result must be parked. */
static bool should_park(const struct job *job, enum queue_result result) {
    if (job->operation->header.until_ms <= clock_steady_ms())
        return false;
    if (job->operation->header.operation != OPERATION_LOOK)
        return operation_kind(job->operation)->parks && result == QUEUE_NONE;
    return result == QUEUE_OK && job->answer->body.item.state <= ITEM_LEASED;
}

/* Applies an operation; writes the answer's body in place. */
static enum queue_result apply(struct batch *batch, const struct job *job) {
    const struct operation_kind *kind = operation_kind(job->operation);
    if (kind->needs_room && batch->refuse_enqueues)
        return QUEUE_DISK_FULL;
    if (!kind->apply)
        return QUEUE_NONE; /* a watch is parked; see answer_watches */
    if (job->operation->header.operation == OPERATION_TALLY)
        job->answer->body.tally.parked = parked_count(batch->parked);
    return kind->apply(batch->store, job->operation, job->answer);
}

/* Gives up an earlier operation of a process: answers it if it is still parked; else it was
 * answered before. */
static void forget(struct batch *batch, const struct job *job) {
    struct parked_wait *wait = parked_of(batch->parked, job->owner, job->operation->header.id);
    struct job *forgotten = wait ? batch_unpark(batch, wait) : NULL;
    if (forgotten)
        batch_end_answer(batch, forgotten, QUEUE_NONE);
}

/* Whether an operation came too late to begin: its process has given it up. */
static bool too_late(const struct channel_message *operation) {
    return !operation_kind(operation)->parks && operation->header.until_ms < clock_steady_ms();
}

/* Says in the answer to an enqueue, to many or to a pull what its client has. */
static void tell_left(struct batch *batch, const struct job *job) {
    const struct operation_client *client = &operation_kind(job->operation)->client;
    const char *body = (const char *)&job->operation->body;
    struct queue_left *left = &job->answer->header.left;
    if (client->quota_at == 0)
        return;
    store_left(batch->store, body + client->name_at,
               (const struct queue_quota *)(const void *)(body + client->quota_at), left);
    left->known = 1;
}

/* Handles one operation, from start to answer. Skips those whose connection is gone. */
static void apply_job(struct batch *batch, struct job *job) {
    const struct channel_message *operation = job->operation;
    log_set_request(operation->header.request.id);
    if (operation->header.operation == OPERATION_RETURN) {
        store_return_lease(batch->store, operation->body.returned);
        return;
    }
    if (!job->owner)
        return;
    if (operation->header.operation == OPERATION_FORGET) {
        forget(batch, job);
        return;
    }
    batch_start_answer(batch, job);
    enum queue_result result = too_late(operation) ? QUEUE_DOWN : apply(batch, job);
    if (should_park(job, result) && parked_add(batch->parked, job->owner, operation)) {
        job->answer = NULL;
        return;
    }
    if (queue_has_retry(result))
        job->answer->header.retry_seconds = store_retry_seconds(batch->store);
    tell_left(batch, job);
    batch_end_answer(batch, job, result);
    if (result == QUEUE_OK)
        waits_answer(batch, job);
}

/* Applies the whole batch in one transaction. False when it was not committed. */
static bool attempt(struct batch *batch) {
    if (!store_begin(batch->store))
        return false;
    store_lapse(batch->store);
    store_keep_history(batch->store);
    for (int i = 0; i < batch->return_count; i++)
        store_return_lease(batch->store, batch->returns[i]);
    for (int i = 0; i < batch->operations && store_state(batch->store) == STORE_GOOD; i++)
        apply_job(batch, &batch->jobs[i]);
    log_set_request(NULL); /* the last one may have had no answer */
    waits_end(batch);
    store_remove_old(batch->store);
    store_give_up_pulls(batch->store);
    return store_commit(batch->store);
}

/* Undoes what an attempt did to the batch itself: parks the waits again, forgets the answers. */
static void rewind_attempt(struct batch *batch) {
    while (batch->count > batch->operations) {
        struct job *job = &batch->jobs[--batch->count];
        if (job->owner)
            parked_put_back(batch->parked, job->wait);
        else
            parked_discard(batch->parked, job->wait);
    }
    for (int i = 0; i < batch->operations; i++) {
        struct job *job = &batch->jobs[i];
        if (job->owner && !job->answer && operation_kind(job->operation)->parks) {
            struct parked_wait *wait =
                parked_of(batch->parked, job->owner, job->operation->header.id);
            if (wait) {
                parked_take(batch->parked, wait);
                parked_discard(batch->parked, wait);
            }
        }
        job->answer = NULL;
    }
    batch->out_used = 0;
}

/* Answers every operation of a failed batch. */
static void fail_all(struct batch *batch, enum queue_result result) {
    for (int i = 0; i < batch->operations; i++) {
        struct job *job = &batch->jobs[i];
        int operation = job->operation->header.operation;
        if (operation == OPERATION_RETURN)
            batch_return_lease(batch, job->operation->body.returned);
        if (!job->owner || operation == OPERATION_RETURN)
            continue;
        if (operation == OPERATION_FORGET) {
            forget(batch, job);
            continue;
        }
        batch_start_answer(batch, job);
        batch_end_answer(batch, job, result);
    }
}

/* Logs which requests a failed batch has, the first ones by their ids: what is logged of a begin or
 * a commit that fails has none. */
static void tell_failed(struct batch *batch) {
    char text[REQUESTS_NAMED * (LOG_REQUEST_SIZE + 1) + 40] = "";
    size_t length = 0;
    int count = 0;
    int64_t now = clock_steady_ms();
    for (int i = 0; i < batch->operations; i++) {
        const char *id = batch->jobs[i].operation->header.request.id;
        if (id[0] != '\0' && count++ < REQUESTS_NAMED)
            length += (size_t)snprintf(text + length, sizeof text - length, "%s%s",
                                       length > 0 ? ", " : "", id);
    }
    if (count > REQUESTS_NAMED)
        snprintf(text + length, sizeof text - length, " and %d more", count - REQUESTS_NAMED);
    if (count == 0 || now < batch->told_failed_ms)
        return;
    batch->told_failed_ms = now + FAILED_PAUSE_MS;
    log_warn("a batch failed with the requests %s", text);
}

/* Answers the expired waits of a failed batch with the same result. */
static void fail_expired(struct batch *batch, enum queue_result result) {
    int64_t now = clock_steady_ms();
    struct parked_wait *wait;
    struct job *job;
    while ((wait = parked_expired(batch->parked, now)) != NULL &&
           (job = batch_unpark(batch, wait)) != NULL)
        batch_end_answer(batch, job, result);
}

/* The disk is full: the batch is tried again without enqueues. */
static void refuse_enqueues(struct batch *batch) {
    if (!batch->disk_full)
        log_warn("the disk is full: enqueues are refused until there is room; make some");
    batch->disk_full = true;
    batch->refuse_enqueues = true;
}

bool batch_run(struct batch *batch) {
    enum store_state state = STORE_GOOD;
    batch->refuse_enqueues = false;
    for (bool again = true; again;) {
        if (attempt(batch)) {
            batch->return_count = 0;
            batch->retry_ms = 0;
            if (!batch->refuse_enqueues && batch->operations > 0)
                batch->disk_full = false;
            waits_answer_watches(batch);
            return true;
        }
        state = store_state(batch->store);
        store_rollback(batch->store);
        rewind_attempt(batch);
        again = state == STORE_AGAIN || (state == STORE_DISK_FULL && !batch->refuse_enqueues);
        if (state == STORE_DISK_FULL)
            refuse_enqueues(batch);
    }
    batch->retry_ms = clock_steady_ms() + RETRY_MS;
    enum queue_result result = state == STORE_DISK_FULL                           ? QUEUE_DISK_FULL
                               : state == STORE_POISONED || state == STORE_UNSURE ? QUEUE_UNKNOWN
                                                                                  : QUEUE_DOWN;
    tell_failed(batch);
    fail_all(batch, result);
    fail_expired(batch, result);
    return state != STORE_POISONED && state != STORE_UNSURE;
}

struct job *batch_jobs(struct batch *batch, int *count) {
    *count = batch->count;
    return batch->jobs;
}

void batch_clear(struct batch *batch) {
    for (int i = batch->operations; i < batch->count; i++)
        parked_discard(batch->parked, batch->jobs[i].wait);
    batch->operations = 0;
    batch->count = 0;
    batch->rows = 0;
    batch->in_used = 0;
    batch->out_used = 0;
    batch->out_reserved = 0;
}
