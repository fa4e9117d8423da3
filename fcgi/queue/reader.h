#ifndef HASHMILL_READER_H
#define HASHMILL_READER_H

/* What a process does with the store by itself: it reads, on a read-only connection of its own. It
 * sees what is durable, waits for nobody, and works while the writer is away. The store below
 * implements it.
 */

#include "queue_fleet.h"
#include "queue_peers.h"

struct reader;
struct conf;

/* Remembers the settings, which must outlive it; connects at the first look. NULL when memory is
 * short. */
struct reader *reader_new(const struct conf *conf);
void reader_free(struct reader *reader);

/* Reads an item and its home, -1 for this node. OK, NONE, DOWN (the store cannot be read now;
 * tried again next time), FAULT. */
enum queue_result reader_look(struct reader *reader, struct uuid id, struct queue_item *item,
                              int *home);

/* queue_fleet. */
enum queue_result reader_fleet(struct reader *reader, const struct queue_fleet_since *since,
                               struct queue_fleet *fleet);

/* queue_changed and queue_items, with copies->node set; queue_peers. */
enum queue_result reader_changed(struct reader *reader, struct queue_place *place,
                                 int64_t *complete, struct queue_copies *copies);
enum queue_result reader_items(struct reader *reader, int64_t *seq, struct queue_copies *copies);
enum queue_result reader_peers(struct reader *reader, struct queue_peers *peers);

/* Notes in a copy of the store, a finished file, that it is one. False after logging why. */
bool reader_mark_copy(const char *path);

#endif
