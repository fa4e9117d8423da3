#ifndef HASHMILL_READER_H
#define HASHMILL_READER_H

/* A process's own read-only connection to the database. It sees what is durable, waits for nobody,
 * and works while the writer is away. */

#include <sqlite3.h>

#include "queue_fleet.h"
#include "queue_peers.h"
#include "sql.h"

struct reader;

/* Remembers the path; the file is opened at the first look. NULL when memory is short. */
struct reader *reader_new(const char *database);
void reader_free(struct reader *reader);

/* Reads an item and its home, -1 for this node. OK, NONE, DOWN (the file cannot be read now; tried
 * again next time), FAULT. */
enum queue_result reader_look(struct reader *reader, struct uuid id, struct queue_item *item,
                              int *home);

/* queue_fleet. reader_fleet.c */
enum queue_result reader_fleet(struct reader *reader, const struct queue_fleet_since *since,
                               struct queue_fleet *fleet);

/* queue_changed and queue_items, with copies->node set; queue_peers. reader_peers.c */
enum queue_result reader_changed(struct reader *reader, struct queue_place *place,
                                 int64_t *complete, struct queue_copies *copies);
enum queue_result reader_items(struct reader *reader, int64_t *seq, struct queue_copies *copies);
enum queue_result reader_peers(struct reader *reader, const struct queue_options *options,
                               struct queue_peers *peers);

/* For the files of the reader: a statement, to be reset before the request ends; NULL (DOWN) when
 * the file cannot be read now. */
sqlite3_stmt *reader_statement(struct reader *reader, enum sql sql);

/* Closes the file after a step that gave this code instead of what was expected, and logs damage.
 * DOWN, FAULT. */
enum queue_result reader_failed(struct reader *reader, int code);

#endif
