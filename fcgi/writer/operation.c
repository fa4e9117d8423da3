#include "operation.h"

#include <string.h>

#include "protocol.h"

/* --- Sane --- */

static bool between(int64_t number, int64_t min, int64_t max) {
    return number >= min && number <= max;
}

static void end_text(char *text, size_t size) {
    text[size - 1] = '\0';
}

/* Ends the name of an operator. False when it can be nobody's: it is shown to people. */
static bool is_sane_who(char who[QUEUE_NAME_SIZE]) {
    end_text(who, QUEUE_NAME_SIZE);
    return who[0] == '\0' || queue_is_name(who);
}

static void end_worker(struct queue_worker *worker) {
    end_text(worker->name, sizeof worker->name);
    end_text(worker->kernel, sizeof worker->kernel);
    end_text(worker->identity, sizeof worker->identity);
    end_text(worker->machine, sizeof worker->machine);
    end_text(worker->address, sizeof worker->address);
}

static bool is_sane_quota(const struct queue_quota *quota) {
    return between(quota->items, 0, INT64_MAX) && between(quota->work, 0, INT64_MAX) &&
           between(quota->iterations, 0, INT64_MAX) && between(quota->rate, 0, QUEUE_RATE_MAX) &&
           between(quota->burst, 0, QUEUE_RATE_MAX);
}

static bool is_sane_client(struct queue_client *client) {
    end_text(client->name, sizeof client->name);
    return between(client->weight, 0, QUEUE_WEIGHT_MAX) && is_sane_quota(&client->quota);
}

static bool is_sane_enqueue(struct channel_message *operation) {
    struct queue_enqueue *enqueue = &operation->body.enqueue;
    end_text(enqueue->key, sizeof enqueue->key);
    return between(enqueue->iterations, 1, QUEUE_ITERATIONS_MAX) &&
           is_sane_client(&enqueue->client);
}

static bool is_sane_many(struct channel_message *operation) {
    struct queue_many *many = &operation->body.many;
    for (int i = 0; i < many->count; i++) {
        end_text(many->items[i].key, sizeof many->items[i].key);
        if (!between(many->items[i].iterations, 1, QUEUE_ITERATIONS_MAX))
            return false;
    }
    return many->count >= 1 && is_sane_client(&many->client);
}

static bool is_sane_pull(struct channel_message *operation) {
    struct queue_pull *pull = &operation->body.pull;
    end_text(pull->key, sizeof pull->key);
    end_text(pull->client, sizeof pull->client);
    return is_sane_who(pull->who) && is_sane_quota(&pull->quota) &&
           between(pull->top, 1, QUEUE_PULL_MAX) &&
           between(pull->reach, PULL_HERE, PULL_OVER_BOTH) && between(pull->peer, 0, NODE_MAX);
}

static bool is_sane_cancel(struct channel_message *operation) {
    end_text(operation->body.cancel.whose.client, QUEUE_NAME_SIZE);
    return is_sane_who(operation->body.cancel.who);
}

static bool is_sane_cancel_many(struct channel_message *operation) {
    struct queue_cancel_many *cancel = &operation->body.cancel_many;
    end_text(cancel->client, sizeof cancel->client);
    return is_sane_who(cancel->who) && between(cancel->confirm, -1, INT64_MAX);
}

static bool is_sane_look(struct channel_message *operation) {
    end_text(operation->body.look.whose.client, QUEUE_NAME_SIZE);
    return true;
}

static bool is_sane_whose(struct channel_message *operation) {
    end_text(operation->body.whose.client, QUEUE_NAME_SIZE);
    return true;
}

static bool is_sane_lease(struct channel_message *operation) {
    struct queue_lease *lease = &operation->body.lease;
    end_worker(&lease->worker);
    return between(lease->items, 1, QUEUE_LEASE_MAX) && lease->iterations >= 1;
}

static bool is_sane_report(struct channel_message *operation) {
    end_worker(&operation->body.report.worker);
    return operation->body.report.count >= 1;
}

static bool is_sane_retire(struct channel_message *operation) {
    end_worker(&operation->body.worker);
    return true;
}

static bool is_sane_update(struct channel_message *operation) {
    struct queue_machine_update *update = &operation->body.update;
    end_text(update->name, sizeof update->name);
    end_text(update->id, sizeof update->id);
    end_text(update->why, sizeof update->why);
    return between(update->state, MACHINE_LAUNCHING, MACHINE_GONE);
}

static bool is_sane_quarantine(struct channel_message *operation) {
    struct queue_quarantine *quarantine = &operation->body.quarantine;
    end_text(quarantine->identity, sizeof quarantine->identity);
    end_text(quarantine->why, sizeof quarantine->why);
    return queue_is_name(quarantine->identity) && is_sane_who(quarantine->who);
}

static bool is_sane_close(struct channel_message *operation) {
    struct queue_close *close = &operation->body.close;
    end_text(close->client, sizeof close->client);
    return is_sane_who(close->who) && between(close->rest, 0, QUEUE_PULL_MAX);
}

static bool is_sane_reserve(struct channel_message *operation) {
    struct queue_reserve *reserve = &operation->body.reserve;
    end_text(reserve->client, sizeof reserve->client);
    return between(reserve->node, 0, NODE_MAX) && between(reserve->top, 1, QUEUE_PULL_MAX);
}

static bool is_sane_settle(struct channel_message *operation) {
    const struct queue_settle *settle = &operation->body.settle;
    return between(settle->node, 0, NODE_MAX) &&
           between(settle->fate.fate, PULL_UNKNOWN, PULL_IS_CLOSED);
}

static bool is_sane_raise(struct channel_message *operation) {
    return between(operation->body.raise.node, 0, NODE_MAX);
}

static bool is_sane_hello(struct channel_message *operation) {
    struct queue_hello *hello = &operation->body.hello;
    for (int i = 0; i < QUEUE_MACHINES_MAX; i++)
        end_text(hello->machines[i], sizeof hello->machines[i]);
    return between(hello->node, 0, NODE_MAX) && between(hello->count, 0, QUEUE_LOANS_MAX) &&
           between(hello->machine_count, -1, QUEUE_MACHINES_MAX);
}

static bool is_sane_heard(struct channel_message *operation) {
    const struct queue_hello *sent = &operation->body.heard.sent;
    return between(sent->node, 0, NODE_MAX) && between(sent->count, 0, QUEUE_LOANS_MAX);
}

static bool is_sane_loan(struct channel_message *operation) {
    return between(operation->body.loan.node, 0, NODE_MAX);
}

static bool is_sane_pause(struct channel_message *operation) {
    struct queue_pause *pause = &operation->body.pause;
    return is_sane_who(pause->who) && (pause->part == PART_INTAKE || pause->part == PART_LEASING ||
                                       pause->part == PART_SCALING);
}

/* A backup is no part of a batch. */
static bool is_never_sane(struct channel_message *operation) {
    (void)operation;
    return false;
}

/* --- Rows --- */

static int rows_of_many(const struct channel_message *operation) {
    return operation->body.many.count;
}

static int rows_of_pull(const struct channel_message *operation) {
    return operation->body.pull.top;
}

static int rows_of_cancel_many(const struct channel_message *operation) {
    return operation->body.cancel_many.count;
}

static int rows_of_report(const struct channel_message *operation) {
    return operation->body.report.count;
}

static int rows_of_reserve(const struct channel_message *operation) {
    return operation->body.reserve.top;
}

static int rows_of_lease(const struct channel_message *operation) {
    return operation->body.lease.items;
}

static int rows_of_any_pull(const struct channel_message *operation) {
    (void)operation;
    return QUEUE_PULL_MAX;
}

/* --- Applied --- */

#define APPLY(name, call)                                                                          \
    static enum queue_result name(struct store *store, const struct channel_message *operation,    \
                                  struct channel_message *answer) {                                \
        (void)operation, (void)answer;                                                             \
        return call;                                                                               \
    }

APPLY(enqueue, store_enqueue(store, &operation->body.enqueue, &answer->body.id))
APPLY(pull, store_pull(store, &operation->body.pull, &answer->body.batch))
APPLY(cancel, store_cancel(store, &operation->body.cancel))
APPLY(cancel_many, store_cancel_many(store, &operation->body.cancel_many, &answer->body.cancelled))
APPLY(report, store_report(store, &operation->body.report, &answer->body.verdict))
APPLY(retire, store_retire(store, &operation->body.worker))
APPLY(tally, store_tally(store, &operation->body.whose, &answer->body.tally))
APPLY(update_machine, store_update_machine(store, &operation->body.update))
APPLY(quarantine, store_quarantine(store, &operation->body.quarantine))
APPLY(acknowledge, store_acknowledge(store, &operation->body.acknowledged))
APPLY(close_pull, store_close_pull(store, &operation->body.close))
APPLY(reserve, store_reserve_items(store, &operation->body.reserve, &answer->body.batch))
APPLY(settle, store_settle(store, &operation->body.settle))
APPLY(hello, store_hello(store, &operation->body.hello, &answer->body.hello_answer))
APPLY(heard, store_heard(store, &operation->body.heard))
APPLY(raise_epoch, store_raise(store, &operation->body.raise))
APPLY(loan, store_loan(store, &operation->body.loan))
APPLY(watch_done, store_has_done(store, operation->body.whose.client))
APPLY(note_backup, store_note_backup(store))
APPLY(pause, store_pause(store, &operation->body.pause, &answer->body.number))
APPLY(lease, store_lease(store, &operation->body.lease, &answer->body.grant))
APPLY(look,
      store_look(store, operation->body.look.id, &operation->body.look.whose, &answer->body.item))

/* Each item has a result of its own. When the store loses the batch, all are lost with it. */
static enum queue_result enqueue_many(struct store *store, const struct channel_message *operation,
                                      struct channel_message *answer) {
    const struct queue_many *many = &operation->body.many;
    struct queue_many_stored *stored = &answer->body.stored;
    struct queue_enqueue item = {.client = many->client};
    stored->count = many->count;
    for (int i = 0; i < many->count; i++) {
        const struct queue_line *line = &many->items[i];
        struct queue_stored *became = &stored->items[i];
        item.id = line->id;
        item.iterations = line->iterations;
        memcpy(item.digest, line->digest, sizeof item.digest);
        memcpy(item.key, line->key, sizeof item.key);
        *became = (struct queue_stored){0};
        became->result = (int32_t)store_enqueue(store, &item, &became->id);
        item.over_rate += became->result == QUEUE_OVER_RATE;
        if (queue_has_retry((enum queue_result)became->result))
            became->retry_seconds = store_retry_seconds(store);
    }
    return QUEUE_OK;
}

/* --- Promised --- */

static bool always(const struct channel_message *answer) {
    (void)answer;
    return true;
}

/* Whether an item was stored, now or before. */
static bool if_any_stored(const struct channel_message *answer) {
    const struct queue_many_stored *stored = &answer->body.stored;
    bool any = false;
    for (int i = 0; i < stored->count; i++)
        any |= stored->items[i].result == QUEUE_OK;
    return any;
}

/* Whether the answer has items, or will have some of the other node. Nobody is told of an open pull
 * yet. */
static bool if_pulled(const struct channel_message *answer) {
    const struct queue_batch *batch = &answer->body.batch;
    return batch->share != PULL_OPEN && (batch->count > 0 || batch->rest > 0);
}

static bool if_cancelled(const struct channel_message *answer) {
    return answer->body.cancelled.count > 0;
}

/* --- The table --- */

#define BODY (((struct channel_message *)NULL)->body)
#define ONE(member)                                                                                \
    { .size = sizeof BODY.member }
#define LIST(type, maximum)                                                                        \
    {                                                                                              \
        .size = offsetof(struct type, items), .element = sizeof(((struct type *)NULL)->items[0]),  \
        .count_at = offsetof(struct type, count), .most = (maximum)                                \
    }
#define CLIENT(type, name, quota)                                                                  \
    { offsetof(struct type, name), offsetof(struct type, quota) }

/* In the order of enum operation. */
static const struct operation_kind kinds[OPERATION_COUNT] = {
    [OPERATION_ENQUEUE] = {.name = "enqueue",
                           .message = ONE(enqueue),
                           .answer = ONE(id),
                           .needs_room = true,
                           .is_sane = is_sane_enqueue,
                           .client = CLIENT(queue_enqueue, client.name, client.quota),
                           .apply = enqueue,
                           .promises = always},
    [OPERATION_PULL] = {.name = "pull",
                        .message = ONE(pull),
                        .answer = LIST(queue_batch, QUEUE_PULL_MAX),
                        .is_alone = true,
                        .is_sane = is_sane_pull,
                        .rows = rows_of_pull,
                        .client = CLIENT(queue_pull, client, quota),
                        .apply = pull,
                        .promises = if_pulled},
    [OPERATION_CANCEL] = {.name = "cancel",
                          .message = ONE(cancel),
                          .is_alone = true,
                          .is_sane = is_sane_cancel,
                          .apply = cancel,
                          .promises = always},
    [OPERATION_CANCEL_MANY] = {.name = "cancel many",
                               .message = LIST(queue_cancel_many, QUEUE_CANCEL_MAX),
                               .answer = ONE(cancelled),
                               .is_alone = true,
                               .is_sane = is_sane_cancel_many,
                               .rows = rows_of_cancel_many,
                               .apply = cancel_many,
                               .promises = if_cancelled},
    [OPERATION_REPORT] = {.name = "report",
                          .message = LIST(queue_report, QUEUE_LEASE_MAX),
                          .answer = ONE(verdict),
                          .is_alone = true,
                          .is_sane = is_sane_report,
                          .rows = rows_of_report,
                          .apply = report},
    [OPERATION_RETIRE] = {.name = "retire",
                          .message = ONE(worker),
                          .is_alone = true,
                          .is_sane = is_sane_retire,
                          .apply = retire},
    [OPERATION_TALLY] = {.name = "tally",
                         .message = ONE(whose),
                         .answer = ONE(tally),
                         .is_alone = true,
                         .is_sane = is_sane_whose,
                         .apply = tally},
    [OPERATION_UPDATE_MACHINE] = {.name = "update machine",
                                  .message = ONE(update),
                                  .is_alone = true,
                                  .is_sane = is_sane_update,
                                  .apply = update_machine},
    [OPERATION_QUARANTINE] = {.name = "quarantine",
                              .message = ONE(quarantine),
                              .is_alone = true,
                              .is_sane = is_sane_quarantine,
                              .apply = quarantine},
    [OPERATION_ACKNOWLEDGE] = {.name = "acknowledge",
                               .message = ONE(acknowledged),
                               .is_alone = true,
                               .apply = acknowledge},
    [OPERATION_CLOSE_PULL] = {.name = "close pull",
                              .message = ONE(close),
                              .is_alone = true,
                              .is_sane = is_sane_close,
                              .rows = rows_of_any_pull,
                              .apply = close_pull,
                              .promises = always},
    [OPERATION_RESERVE] = {.name = "reserve",
                           .message = ONE(reserve),
                           .answer = LIST(queue_batch, QUEUE_PULL_MAX),
                           .is_alone = true,
                           .is_sane = is_sane_reserve,
                           .rows = rows_of_reserve,
                           .apply = reserve,
                           .promises = if_pulled},
    [OPERATION_SETTLE] = {.name = "settle",
                          .message = ONE(settle),
                          .is_alone = true,
                          .is_sane = is_sane_settle,
                          .rows = rows_of_any_pull,
                          .apply = settle},
    [OPERATION_HELLO] = {.name = "hello",
                         .message = ONE(hello),
                         .answer = ONE(hello_answer),
                         .is_alone = true,
                         .is_sane = is_sane_hello,
                         .apply = hello},
    [OPERATION_HEARD] = {.name = "heard",
                         .message = ONE(heard),
                         .is_alone = true,
                         .is_sane = is_sane_heard,
                         .apply = heard},
    [OPERATION_RAISE] = {.name = "raise",
                         .message = ONE(raise),
                         .is_alone = true,
                         .is_sane = is_sane_raise,
                         .apply = raise_epoch},
    [OPERATION_LOAN] = {.name = "loan",
                        .message = ONE(loan),
                        .is_alone = true,
                        .is_sane = is_sane_loan,
                        .apply = loan},
    /* Many answers; the last one is complete. */
    [OPERATION_BACKUP] = {.name = "backup",
                          .answer = LIST(pages, PAGES_MAX),
                          .is_alone = true,
                          .is_sane = is_never_sane},
    /* Parked until there is a batch after that number. */
    [OPERATION_WATCH_BATCH] = {.name = "watch batch",
                               .message = ONE(number),
                               .answer = ONE(number),
                               .parks = true},
    /* Parked until the client has an item that is done. */
    [OPERATION_WATCH_DONE] = {.name = "watch done",
                              .message = ONE(whose),
                              .parks = true,
                              .is_sane = is_sane_whose,
                              .apply = watch_done},
    /* Parked while no item waits. */
    [OPERATION_LEASE] = {.name = "lease",
                         .message = ONE(lease),
                         .answer = LIST(queue_grant, QUEUE_LEASE_MAX),
                         .parks = true,
                         .is_sane = is_sane_lease,
                         .rows = rows_of_lease,
                         .apply = lease},
    /* Parked until the item is done. */
    [OPERATION_LOOK] = {.name = "look",
                        .message = ONE(look),
                        .answer = ONE(item),
                        .parks = true,
                        .is_sane = is_sane_look,
                        .apply = look},
    /* Gives up the operation with this id. That one is answered, this one is not. */
    [OPERATION_FORGET] = {.name = "forget"},
    /* A grant that was not delivered; not answered. */
    [OPERATION_RETURN] = {.name = "return", .message = ONE(returned)},
    [OPERATION_ENQUEUE_MANY] = {.name = "enqueue many",
                                .message = LIST(queue_many, QUEUE_MANY_MAX),
                                .answer = LIST(queue_many_stored, QUEUE_MANY_MAX),
                                .is_alone = true,
                                .needs_room = true,
                                .is_sane = is_sane_many,
                                .rows = rows_of_many,
                                .client = CLIENT(queue_many, client.name, client.quota),
                                .apply = enqueue_many,
                                .promises = if_any_stored},
    [OPERATION_PAUSE] = {.name = "pause",
                         .message = ONE(pause),
                         .answer = ONE(number),
                         .is_alone = true,
                         .is_sane = is_sane_pause,
                         .apply = pause},
    [OPERATION_NOTE_BACKUP] = {.name = "note backup", .is_alone = true, .apply = note_backup},
};

const struct operation_kind *operation_kind(const struct channel_message *message) {
    int operation = message->header.operation;
    return operation < OPERATION_COUNT ? &kinds[operation] : NULL;
}

/* The bytes of a message with this body; 0 when the count is out of range. */
static size_t size_of(const struct channel_message *message, const struct operation_body *body) {
    int32_t count = 0;
    if (body->element > 0)
        memcpy(&count, (const char *)&message->body + body->count_at, sizeof count);
    if (!between(count, 0, body->most))
        return 0;
    return CHANNEL_HEADER_SIZE + body->size + (size_t)count * body->element;
}

size_t operation_size(const struct channel_message *operation) {
    const struct operation_kind *kind = operation_kind(operation);
    return kind ? size_of(operation, &kind->message) : 0;
}

size_t operation_answer_size(const struct channel_message *answer) {
    const struct operation_kind *kind = operation_kind(answer);
    if (answer->header.result != QUEUE_OK)
        return CHANNEL_HEADER_SIZE;
    return kind ? size_of(answer, &kind->answer) : 0;
}

size_t operation_answer_max(const struct channel_message *operation) {
    const struct operation_body *body = &operation_kind(operation)->answer;
    return CHANNEL_HEADER_SIZE + body->size + (size_t)body->most * body->element;
}

bool operation_sane(struct channel_message *operation) {
    const struct operation_kind *kind = operation_kind(operation);
    return kind && (!kind->is_sane || kind->is_sane(operation));
}

int operation_rows(const struct channel_message *operation) {
    const struct operation_kind *kind = operation_kind(operation);
    return kind->rows ? kind->rows(operation) : 1;
}
