#ifndef HASHMILL_STORE_ENGINE_H
#define HASHMILL_STORE_ENGINE_H

/* SQLite as an engine, and its functions. */

#include "store/engine.h"

extern const struct store_engine store_engine_sqlite;

const char *sqlite_version(void);
struct store *sqlite_open(const struct conf *conf, int *exit_code);
bool sqlite_close(struct store *base);
enum store_state sqlite_state(const struct store *base);
bool sqlite_begin(struct store *base);
bool sqlite_commit(struct store *base);
void sqlite_rollback(struct store *base);
int64_t sqlite_last_batch(const struct store *base);
enum queue_result sqlite_enqueue(struct store *base, const struct queue_enqueue *item,
                                 struct uuid *id);
int32_t sqlite_retry_seconds(const struct store *base);
void sqlite_left(struct store *base, const char *name, const struct queue_quota *quota,
                 struct queue_left *left);
enum queue_result sqlite_pull(struct store *base, const struct queue_pull *pull,
                              struct queue_batch *batch);
enum queue_result sqlite_look(struct store *base, struct uuid id, const struct queue_whose *whose,
                              struct queue_item *item);
enum queue_result sqlite_cancel(struct store *base, const struct queue_cancel *cancel);
enum queue_result sqlite_cancel_many(struct store *base, const struct queue_cancel_many *cancel,
                                     struct queue_cancelled *cancelled);
enum queue_result sqlite_tally(struct store *base, const struct queue_whose *whose,
                               struct queue_tally *tally);
enum queue_result sqlite_has_done(struct store *base, const char *client);
const char *sqlite_newly_done(const struct store *base, int *next, int64_t *items);
enum queue_result sqlite_lease(struct store *base, const struct queue_lease *request,
                               struct queue_grant *grant);
enum queue_result sqlite_return_lease(struct store *base, struct queue_return grant);
enum queue_result sqlite_report(struct store *base, const struct queue_report *report,
                                struct queue_verdict *verdict);
enum queue_result sqlite_retire(struct store *base, const struct queue_worker *worker);
enum queue_result sqlite_quarantine(struct store *base, const struct queue_quarantine *quarantine);
enum queue_result sqlite_pause(struct store *base, const struct queue_pause *pause,
                               int64_t *paused);
enum queue_result sqlite_update_machine(struct store *base,
                                        const struct queue_machine_update *update);
int64_t sqlite_leasable(const struct store *base);
void sqlite_lapse(struct store *base);
int64_t sqlite_next_lapse(const struct store *base);
void sqlite_remove_old(struct store *base);
int64_t sqlite_next_removal(const struct store *base);
void sqlite_keep_history(struct store *base);
int64_t sqlite_next_history(const struct store *base);
void sqlite_end_history(struct store *base);
bool sqlite_checkpoint(struct store *base);
int64_t sqlite_checkpoint_due_ms(const struct store *base);
enum queue_result sqlite_backup_begin(struct store *base);
enum queue_result sqlite_backup_copy(struct store *base);
bool sqlite_backup_take(struct store *base, struct pages *pages);
void sqlite_backup_end(struct store *base);
enum queue_result sqlite_note_backup(struct store *base);
enum queue_result sqlite_close_pull(struct store *base, const struct queue_close *close);
void sqlite_give_up_pulls(struct store *base);
int64_t sqlite_next_given_up(const struct store *base);
enum queue_result sqlite_reserve_items(struct store *base, const struct queue_reserve *reserve,
                                       struct queue_batch *batch);
enum queue_result sqlite_settle(struct store *base, const struct queue_settle *settle);
enum queue_result sqlite_hello(struct store *base, const struct queue_hello *hello,
                               struct queue_hello_answer *answer);
enum queue_result sqlite_heard(struct store *base, const struct queue_heard *heard);
enum queue_result sqlite_raise(struct store *base, const struct queue_raise *raise);
enum queue_result sqlite_loan(struct store *base, const struct queue_loan_step *step);
enum queue_result sqlite_acknowledge(struct store *base,
                                     const struct queue_acknowledged *acknowledged);
bool sqlite_may_answer(const struct store *base, int64_t batch);
bool sqlite_note_incomplete(struct store *base);
bool sqlite_is_superseded(const struct store *base);

#endif
