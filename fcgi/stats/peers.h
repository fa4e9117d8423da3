#ifndef HASHMILL_STATS_PEERS_H
#define HASHMILL_STATS_PEERS_H

/* The part of GET /stats about the peer; none without PEERS. */

#include "base/conf.h"
#include "buffer.h"
#include "queue/queue_peers.h"

/* Reads what is known of the peer. OK, with nothing read, without PEERS. OK, DOWN, FAULT. */
enum queue_result stats_read_peers(struct queue *queue, const struct conf *conf,
                                   struct queue_peers *peers);

/* How many loans of that side there are, but for those that are wanted only. */
int stats_loans(const struct queue_peers *peers, enum loan_side side);

/* Appends the members "peers", "set_aside" and "loans", at the moment of the tally. */
void stats_put_peers(struct buffer *body, const struct conf *conf, const struct queue_tally *tally,
                     const struct queue_peers *peers);

#endif
