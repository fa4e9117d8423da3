#include "operation.h"

enum { NODE_MAX = 255 };

static void end_text(char *text, size_t size) {
    text[size - 1] = '\0';
}

static void end_worker(struct queue_worker *worker) {
    end_text(worker->name, sizeof worker->name);
    end_text(worker->kernel, sizeof worker->kernel);
    end_text(worker->machine, sizeof worker->machine);
    end_text(worker->address, sizeof worker->address);
}

static void end_change(struct queue_change *change) {
    end_text(change->name, sizeof change->name);
    end_text(change->id, sizeof change->id);
    end_text(change->why, sizeof change->why);
}

static bool between(int64_t number, int64_t min, int64_t max) {
    return number >= min && number <= max;
}

bool operation_sane(struct channel_message *operation) {
    switch (operation->header.operation) {
    case OPERATION_ENQUEUE:
        end_text(operation->body.enqueue.key, QUEUE_KEY_SIZE);
        return between(operation->body.enqueue.iterations, 1, QUEUE_ITERATIONS_MAX);
    case OPERATION_PULL:
        end_text(operation->body.pull.key, QUEUE_KEY_SIZE);
        return between(operation->body.pull.top, 1, QUEUE_PULL_MAX) &&
               between(operation->body.pull.reach, PULL_HERE, PULL_OVER_BOTH) &&
               between(operation->body.pull.peer, 0, NODE_MAX);
    case OPERATION_LEASE:
        end_worker(&operation->body.lease.worker);
        return between(operation->body.lease.items, 1, QUEUE_LEASE_MAX) &&
               operation->body.lease.iterations >= 1;
    case OPERATION_REPORT:
        end_worker(&operation->body.report.worker);
        return true;
    case OPERATION_RETIRE:
        end_worker(&operation->body.worker);
        return true;
    case OPERATION_CHANGE:
        end_change(&operation->body.change);
        return between(operation->body.change.state, MACHINE_LAUNCHING, MACHINE_GONE);
    case OPERATION_CLOSE_PULL:
        return between(operation->body.close.rest, 0, QUEUE_PULL_MAX);
    case OPERATION_RESERVE:
        return between(operation->body.reserve.node, 0, NODE_MAX) &&
               between(operation->body.reserve.top, 1, QUEUE_PULL_MAX);
    case OPERATION_SETTLE:
        return between(operation->body.settle.node, 0, NODE_MAX) &&
               between(operation->body.settle.fate.fate, PULL_UNKNOWN, PULL_IS_CLOSED);
    case OPERATION_RAISE:
        return between(operation->body.raise.node, 0, NODE_MAX);
    case OPERATION_HELLO:
        return between(operation->body.hello.node, 0, NODE_MAX);
    case OPERATION_HEARD:
        return between(operation->body.heard.sent.node, 0, NODE_MAX);
    case OPERATION_LOAN:
        return between(operation->body.loan.node, 0, NODE_MAX);
    case OPERATION_BACKUP:
        return false; /* it is no part of a batch */
    default:
        return true;
    }
}

int operation_rows(const struct channel_message *operation) {
    switch (operation->header.operation) {
    case OPERATION_LEASE:
        return operation->body.lease.items;
    case OPERATION_REPORT:
        return operation->body.report.count;
    case OPERATION_PULL:
        return operation->body.pull.top;
    case OPERATION_RESERVE:
        return operation->body.reserve.top;
    case OPERATION_CLOSE_PULL:
    case OPERATION_SETTLE:
        return QUEUE_PULL_MAX;
    default:
        return 1;
    }
}

size_t operation_answer_max(const struct channel_message *operation) {
    size_t body = sizeof(struct queue_tally) + sizeof(struct queue_item);
    if (operation->header.operation == OPERATION_PULL ||
        operation->header.operation == OPERATION_RESERVE)
        body = sizeof(struct queue_batch);
    else if (operation->header.operation == OPERATION_LEASE)
        body = sizeof(struct queue_grant);
    else if (operation->header.operation == OPERATION_REPORT)
        body = sizeof(struct queue_verdict);
    else if (operation->header.operation == OPERATION_HELLO)
        body = sizeof(struct queue_hello_answer);
    return sizeof(struct channel_header) + body;
}

bool operation_parks(int operation) {
    return operation == OPERATION_LEASE || operation == OPERATION_LOOK ||
           operation == OPERATION_WATCH_BATCH;
}

/* The operations that peers are the reason for. */
static enum queue_result apply_of_peers(struct store *store,
                                        const struct channel_message *operation,
                                        struct channel_message *answer) {
    switch (operation->header.operation) {
    case OPERATION_TOLD:
        return store_told(store, &operation->body.told);
    case OPERATION_CLOSE_PULL:
        return store_close_pull(store, &operation->body.close);
    case OPERATION_RESERVE:
        return store_reserve_items(store, &operation->body.reserve, &answer->body.batch);
    case OPERATION_SETTLE:
        return store_settle(store, &operation->body.settle);
    case OPERATION_HELLO:
        return store_hello(store, &operation->body.hello, &answer->body.hello_answer);
    case OPERATION_HEARD:
        return store_heard(store, &operation->body.heard);
    case OPERATION_LOAN:
        return store_loan(store, &operation->body.loan);
    case OPERATION_RAISE:
        return store_raise(store, &operation->body.raise);
    default:
        return QUEUE_FAULT;
    }
}

enum queue_result operation_apply(struct store *store, const struct channel_message *operation,
                                  struct channel_message *answer) {
    switch (operation->header.operation) {
    case OPERATION_ENQUEUE:
        return store_enqueue(store, &operation->body.enqueue, &answer->body.id);
    case OPERATION_PULL:
        return store_pull(store, &operation->body.pull, &answer->body.batch);
    case OPERATION_CANCEL:
        return store_cancel(store, operation->body.id);
    case OPERATION_REPORT:
        return store_report(store, &operation->body.report, &answer->body.verdict);
    case OPERATION_RETIRE:
        return store_retire(store, &operation->body.worker);
    case OPERATION_CHANGE:
        return store_change(store, &operation->body.change);
    case OPERATION_TALLY:
        return store_tally(store, &answer->body.tally);
    case OPERATION_LEASE:
        return store_lease(store, &operation->body.lease, &answer->body.grant);
    case OPERATION_LOOK:
        return store_look(store, operation->body.look.id, &answer->body.item);
    default:
        return apply_of_peers(store, operation, answer);
    }
}
