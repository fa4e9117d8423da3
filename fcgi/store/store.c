/* The functions of store.h, as the store's engine has them. */

#include <stdio.h>

#include "engine.h"

const char *store_version(const struct conf *conf) {
    static char text[40];
    const struct store_engine *engine = store_engine_of(conf);
    snprintf(text, sizeof text, "%s %s", engine->name, engine->version());
    return text;
}

struct store *store_open(const struct conf *conf, int *exit_code) {
    return store_engine_of(conf)->open(conf, exit_code);
}

bool store_close(struct store *store) {
    return store->engine->close(store);
}

enum store_state store_state(const struct store *store) {
    return store->engine->state(store);
}

bool store_begin(struct store *store) {
    return store->engine->begin(store);
}

bool store_commit(struct store *store) {
    return store->engine->commit(store);
}

void store_rollback(struct store *store) {
    store->engine->rollback(store);
}

bool store_checkpoint(struct store *store) {
    return !store->engine->checkpoint || store->engine->checkpoint(store);
}

int64_t store_checkpoint_due_ms(const struct store *store) {
    return store->engine->checkpoint_due_ms ? store->engine->checkpoint_due_ms(store) : INT64_MAX;
}

enum queue_result store_enqueue(struct store *store, const struct queue_enqueue *item,
                                struct uuid *id) {
    return store->engine->enqueue(store, item, id);
}

int32_t store_retry_seconds(const struct store *store) {
    return store->engine->retry_seconds(store);
}

void store_left(struct store *store, const char *name, const struct queue_quota *quota,
                struct queue_left *left) {
    store->engine->left(store, name, quota, left);
}

enum queue_result store_pull(struct store *store, const struct queue_pull *pull,
                             struct queue_batch *batch) {
    return store->engine->pull(store, pull, batch);
}

enum queue_result store_look(struct store *store, struct uuid id, const struct queue_whose *whose,
                             struct queue_item *item) {
    return store->engine->look(store, id, whose, item);
}

enum queue_result store_cancel(struct store *store, const struct queue_cancel *cancel) {
    return store->engine->cancel(store, cancel);
}

enum queue_result store_cancel_many(struct store *store, const struct queue_cancel_many *cancel,
                                    struct queue_cancelled *cancelled) {
    return store->engine->cancel_many(store, cancel, cancelled);
}

enum queue_result store_lease(struct store *store, const struct queue_lease *request,
                              struct queue_grant *grant) {
    return store->engine->lease(store, request, grant);
}

enum queue_result store_return_lease(struct store *store, struct queue_return grant) {
    return store->engine->return_lease(store, grant);
}

enum queue_result store_report(struct store *store, const struct queue_report *report,
                               struct queue_verdict *verdict) {
    return store->engine->report(store, report, verdict);
}

enum queue_result store_retire(struct store *store, const struct queue_worker *worker) {
    return store->engine->retire(store, worker);
}

enum queue_result store_quarantine(struct store *store, const struct queue_quarantine *quarantine) {
    return store->engine->quarantine(store, quarantine);
}

enum queue_result store_pause(struct store *store, const struct queue_pause *pause,
                              int64_t *paused) {
    return store->engine->pause(store, pause, paused);
}

enum queue_result store_note_backup(struct store *store) {
    return store->engine->note_backup ? store->engine->note_backup(store) : QUEUE_FAULT;
}

enum queue_result store_update_machine(struct store *store,
                                       const struct queue_machine_update *update) {
    return store->engine->update_machine(store, update);
}

enum queue_result store_close_pull(struct store *store, const struct queue_close *close) {
    return store->engine->close_pull ? store->engine->close_pull(store, close) : QUEUE_FAULT;
}

enum queue_result store_reserve_items(struct store *store, const struct queue_reserve *reserve,
                                      struct queue_batch *batch) {
    return store->engine->reserve_items ? store->engine->reserve_items(store, reserve, batch)
                                        : QUEUE_FAULT;
}

enum queue_result store_settle(struct store *store, const struct queue_settle *settle) {
    return store->engine->settle ? store->engine->settle(store, settle) : QUEUE_FAULT;
}

enum queue_result store_acknowledge(struct store *store,
                                    const struct queue_acknowledged *acknowledged) {
    return store->engine->acknowledge ? store->engine->acknowledge(store, acknowledged)
                                      : QUEUE_FAULT;
}

enum queue_result store_raise(struct store *store, const struct queue_raise *raise) {
    return store->engine->raise ? store->engine->raise(store, raise) : QUEUE_FAULT;
}

enum queue_result store_hello(struct store *store, const struct queue_hello *hello,
                              struct queue_hello_answer *answer) {
    return store->engine->hello ? store->engine->hello(store, hello, answer) : QUEUE_FAULT;
}

enum queue_result store_heard(struct store *store, const struct queue_heard *heard) {
    return store->engine->heard ? store->engine->heard(store, heard) : QUEUE_FAULT;
}

enum queue_result store_loan(struct store *store, const struct queue_loan_step *step) {
    return store->engine->loan ? store->engine->loan(store, step) : QUEUE_FAULT;
}

enum queue_result store_tally(struct store *store, const struct queue_whose *whose,
                              struct queue_tally *tally) {
    return store->engine->tally(store, whose, tally);
}

enum queue_result store_has_done(struct store *store, const char *client) {
    return store->engine->has_done(store, client);
}

const char *store_newly_done(const struct store *store, int *next, int64_t *items) {
    return store->engine->newly_done(store, next, items);
}

int64_t store_leasable(const struct store *store) {
    return store->engine->leasable(store);
}

int64_t store_last_batch(const struct store *store) {
    return store->engine->last_batch(store);
}

bool store_may_answer(const struct store *store, int64_t batch) {
    return !store->engine->may_answer || store->engine->may_answer(store, batch);
}

bool store_is_superseded(const struct store *store) {
    return store->engine->is_superseded && store->engine->is_superseded(store);
}

bool store_note_incomplete(struct store *store) {
    return store->engine->note_incomplete && store->engine->note_incomplete(store);
}

void store_lapse(struct store *store) {
    store->engine->lapse(store);
}

void store_remove_old(struct store *store) {
    store->engine->remove_old(store);
}

int64_t store_next_removal(const struct store *store) {
    return store->engine->next_removal(store);
}

void store_give_up_pulls(struct store *store) {
    if (store->engine->give_up_pulls)
        store->engine->give_up_pulls(store);
}

int64_t store_next_given_up(const struct store *store) {
    return store->engine->next_given_up ? store->engine->next_given_up(store) : INT64_MAX;
}

void store_keep_history(struct store *store) {
    store->engine->keep_history(store);
}

int64_t store_next_history(const struct store *store) {
    return store->engine->next_history(store);
}

void store_end_history(struct store *store) {
    store->engine->end_history(store);
}

int64_t store_next_lapse(const struct store *store) {
    return store->engine->next_lapse(store);
}

enum queue_result store_backup_begin(struct store *store) {
    return store->engine->backup_begin ? store->engine->backup_begin(store) : QUEUE_FAULT;
}

enum queue_result store_backup_copy(struct store *store) {
    return store->engine->backup_copy ? store->engine->backup_copy(store) : QUEUE_FAULT;
}

bool store_backup_take(struct store *store, struct pages *pages) {
    return store->engine->backup_take && store->engine->backup_take(store, pages);
}

void store_backup_end(struct store *store) {
    if (store->engine->backup_end)
        store->engine->backup_end(store);
}
