#ifndef HASHMILL_STATS_FLEET_H
#define HASHMILL_STATS_FLEET_H

/* The part of GET /stats about workers, machines and the scaler's decisions. */

#include "base/conf.h"
#include "buffer.h"
#include "queue/queue_fleet.h"

/* Reads the fleet at the moment of the tally. OK, DOWN, FAULT. */
enum queue_result stats_read_fleet(struct queue *queue, const struct conf *conf,
                                   const struct queue_tally *tally, struct queue_fleet *fleet);

/* A machine's state as docs/scaling.md has it: one of the names. */
enum { STATS_MACHINE_STATES = 5 };
extern const char *const stats_machine_states[STATS_MACHINE_STATES];
const char *stats_machine_state(const struct queue_machine *machine);

/* Whether a machine is shown: workers on the peer's machines may work for this node, too, and are
 * no strays. */
bool stats_shows_machine(const struct conf *conf, const struct queue_machine *machine);

/* Appends the member "fleet". */
void stats_put_fleet(struct buffer *body, const struct conf *conf, const struct queue_fleet *fleet);

#endif
