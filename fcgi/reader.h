#ifndef HASHMILL_READER_H
#define HASHMILL_READER_H

/* A process's own read-only connection to the database. It sees what is durable, waits for nobody,
 * and works while the writer is away. */

#include "queue.h"

struct reader;

/* Remembers the path; the file is opened at the first look. NULL when memory is short. */
struct reader *reader_new(const char *database);
void reader_free(struct reader *reader);

/* Reads an item. OK, NONE, DOWN (the file cannot be read now; tried again next time), FAULT. */
enum queue_result reader_look(struct reader *reader, struct uuid id, struct queue_item *item);

#endif
