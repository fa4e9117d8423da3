#ifndef HASHMILL_READER_ENGINE_H
#define HASHMILL_READER_ENGINE_H

/* SQLite as an engine of readers, and its functions. */

#include "store/engine.h"

extern const struct reader_engine reader_engine_sqlite;

struct reader *sqlite_reader_new(const struct conf *conf);
void sqlite_reader_free(struct reader *base);
enum queue_result sqlite_reader_look(struct reader *base, struct uuid id,
                                     const struct queue_whose *whose, struct queue_item *item);
enum queue_result sqlite_reader_pulled(struct reader *base, const struct queue_pull *pull);
enum queue_result sqlite_reader_list(struct reader *base, const struct queue_list *list,
                                     struct queue_page *page);
enum queue_result sqlite_reader_fleet(struct reader *base, const struct queue_fleet_since *since,
                                      struct queue_fleet *fleet);
enum queue_result sqlite_reader_clients(struct reader *base, struct queue_clients *clients);
enum queue_result sqlite_reader_history(struct reader *base, struct queue_history *history);
const struct queue_load *sqlite_reader_load(struct reader *base);
enum queue_result sqlite_reader_progress(struct reader *base, struct uuid id,
                                         const struct queue_whose *whose,
                                         struct queue_progress *progress);
enum queue_result sqlite_reader_running(struct reader *base, const struct queue_whose *whose,
                                        int limit, struct queue_running *running);
enum queue_result sqlite_reader_peers(struct reader *base, struct queue_peers *peers);
enum queue_result sqlite_reader_hash_items(struct reader *base, int64_t items,
                                           struct queue_range *range);
enum queue_result sqlite_reader_pull_fate(struct reader *base, const uint8_t tag[PULL_TAG_SIZE],
                                          struct queue_fate *fate);
enum queue_result sqlite_reader_met(struct reader *base, struct queue_identity *met);
enum queue_result sqlite_reader_look_then(struct reader *base, struct uuid id,
                                          const struct queue_whose *whose, struct queue_item *item,
                                          int64_t *wall_ms);
enum queue_result sqlite_reader_list_then(struct reader *base, const struct queue_list *list,
                                          struct queue_page *page);

#endif
