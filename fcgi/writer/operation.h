#ifndef HASHMILL_OPERATION_H
#define HASHMILL_OPERATION_H

/* An operation of the channel by itself: what it may be, what it costs, what it does to the store.
 */

#include "queue/channel.h"
#include "store/store.h"

/* Whether its numbers are such as queue.h and queue_peers.h allow; ends its texts. */
bool operation_sane(struct channel_message *operation);

/* The rows that it may touch at most. */
int operation_rows(const struct channel_message *operation);

/* The bytes of the largest answer that it may get. */
size_t operation_answer_max(const struct channel_message *operation);

/* Does what a sane one asks for, in the batch under way; the body of the answer is written in
 * place, but for how many are parked. */
enum queue_result operation_apply(struct store *store, const struct channel_message *operation,
                                  struct channel_message *answer);

/* Whether it may be parked: its header's until_ms is then the end of its wait. */
bool operation_parks(int operation);

#endif
