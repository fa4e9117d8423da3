#ifndef HASHMILL_READER_H
#define HASHMILL_READER_H

/* What a process reads from the store by itself, on a read-only connection of its own. It sees what
 * is durable, waits for nobody, and works while the writer is away. The engine of the database
 * implements it.
 */

#include "queue_fleet.h"
#include "queue_history.h"
#include "queue_operators.h"
#include "queue_peers.h"
#include "queue_progress.h"

struct reader;
struct conf;

/* Makes a reader that connects at the first look. The settings must outlive it. NULL when memory is
 * short. */
struct reader *reader_new(const struct conf *conf);

/* The same for the replica of the peer's database, which is a file of SQLite's. */
struct reader *reader_new_of_replica(const struct conf *conf);
void reader_free(struct reader *reader);

/* Reads an item. OK; NONE, also for another's; DOWN (the store cannot be read now; the next call
 * tries again); FAULT. */
enum queue_result reader_look(struct reader *reader, struct uuid id,
                              const struct queue_whose *whose, struct queue_item *item);

/* Reads an item, and the wall time of the last batch. The same results. */
enum queue_result reader_look_then(struct reader *reader, struct uuid id,
                                   const struct queue_whose *whose, struct queue_item *item,
                                   int64_t *wall_ms);

/* queue_pulled. */
enum queue_result reader_pulled(struct reader *reader, const struct queue_pull *pull);

/* queue_list. */
enum queue_result reader_list(struct reader *reader, const struct queue_list *list,
                              struct queue_page *page);

/* The same, and sets page->as_of_ms to the wall time of the last batch. */
enum queue_result reader_list_then(struct reader *reader, const struct queue_list *list,
                                   struct queue_page *page);

/* queue_fleet. */
enum queue_result reader_fleet(struct reader *reader, const struct queue_fleet_since *since,
                               struct queue_fleet *fleet);

/* queue_clients. */
enum queue_result reader_clients(struct reader *reader, struct queue_clients *clients);

/* queue_history. */
enum queue_result reader_history(struct reader *reader, struct queue_history *history);

/* queue_load, queue_progress, queue_running. */
const struct queue_load *reader_load(struct reader *reader);
enum queue_result reader_progress(struct reader *reader, struct uuid id,
                                  const struct queue_whose *whose, struct queue_progress *progress);
enum queue_result reader_running(struct reader *reader, const struct queue_whose *whose, int limit,
                                 struct queue_running *running);

/* queue_hash_items, queue_pull_fate, queue_peers, queue_met. */
enum queue_result reader_hash_items(struct reader *reader, int64_t items,
                                    struct queue_range *range);
enum queue_result reader_pull_fate(struct reader *reader, const uint8_t tag[PULL_TAG_SIZE],
                                   struct queue_fate *fate);
enum queue_result reader_peers(struct reader *reader, struct queue_peers *peers);
enum queue_result reader_met(struct reader *reader, struct queue_identity *met);

/* Marks a finished file of SQLite's as a copy of the store. False after logging why. */
bool reader_mark_copy(const char *path);

#endif
