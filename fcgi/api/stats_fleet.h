#ifndef HASHMILL_STATUS_FLEET_H
#define HASHMILL_STATUS_FLEET_H

/* The part of GET /stats that tells of workers, machines and the scaler's decisions. */

#include "buffer.h"
#include "conf.h"
#include "queue_fleet.h"

/* Reads the fleet as of the moment of the tally. OK, DOWN, FAULT. */
enum queue_result status_read_fleet(struct queue *queue, const struct conf *conf,
                                    const struct queue_tally *tally, struct queue_fleet *fleet);

/* Appends the member "fleet". */
void status_put_fleet(struct buffer *body, const struct conf *conf,
                      const struct queue_fleet *fleet);

#endif
