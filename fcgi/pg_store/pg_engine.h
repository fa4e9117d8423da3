#ifndef HASHMILL_PG_ENGINE_H
#define HASHMILL_PG_ENGINE_H

#include "store/engine.h"

/* PostgreSQL as an engine of the store: see fcgi/store/engine.h. Batches, the operations of
 * clients, leases and reports are here; no program uses it yet. */

/* Opens the queue at a URI of libpq, migrates its schema and enters as the one writer of the node
 * of conf, which must outlive the store. NULL, with the code to exit with, after logging why. */
struct store *pg_store_open(const struct conf *conf, const char *uri, int *exit_code);

bool postgres_close(struct store *base);
enum store_state postgres_state(const struct store *base);
bool postgres_begin(struct store *base);
bool postgres_commit(struct store *base);
void postgres_rollback(struct store *base);
int64_t postgres_last_batch(const struct store *base);

enum queue_result postgres_enqueue(struct store *base, const struct queue_enqueue *item,
                                   struct uuid *id);
int32_t postgres_retry_seconds(const struct store *base);
void postgres_left(struct store *base, const char *name, const struct queue_quota *quota,
                   struct queue_left *left);
enum queue_result postgres_pull(struct store *base, const struct queue_pull *pull,
                                struct queue_batch *batch);
enum queue_result postgres_look(struct store *base, struct uuid id, const struct queue_whose *whose,
                                struct queue_item *item);
enum queue_result postgres_cancel(struct store *base, const struct queue_cancel *cancel);
enum queue_result postgres_cancel_many(struct store *base, const struct queue_cancel_many *cancel,
                                       struct queue_cancelled *cancelled);
enum queue_result postgres_lease(struct store *base, const struct queue_lease *request,
                                 struct queue_grant *grant);
enum queue_result postgres_return_lease(struct store *base, struct queue_return grant);
enum queue_result postgres_report(struct store *base, const struct queue_report *report,
                                  struct queue_verdict *verdict);
enum queue_result postgres_quarantine(struct store *base,
                                      const struct queue_quarantine *quarantine);
enum queue_result postgres_retire(struct store *base, const struct queue_worker *worker);
enum queue_result postgres_pause(struct store *base, const struct queue_pause *pause,
                                 int64_t *paused);
enum queue_result postgres_tally(struct store *base, const struct queue_whose *whose,
                                 struct queue_tally *tally);
int64_t postgres_leasable(const struct store *base);
void postgres_lapse(struct store *base);
int64_t postgres_next_lapse(const struct store *base);
enum queue_result postgres_has_done(struct store *base, const char *client);
const char *postgres_newly_done(const struct store *base, int *next, int64_t *items);

#endif
