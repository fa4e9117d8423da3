#ifndef HASHMILL_DECISION_TEXT_H
#define HASHMILL_DECISION_TEXT_H

/* The scaler's decisions in words, for the log, GET /stats and the view decisions. */

#include "fleet.h"

/* Why so many machines are launched; name is the first of them. Or why none is though an item
 * waits. */
void describe_launch(char why[QUEUE_WHY_SIZE], const struct scaling_snapshot *snapshot,
                     const struct scaling_decision *decision, const char *name);

/* What is done with a machine, and why. */
void describe_step(char why[QUEUE_WHY_SIZE], const struct scaling_machine *machine,
                   enum scaling_step step, enum scaling_reason reason, const char *name,
                   const char *id);

/* That a peer is asked for a loan, and why. */
void describe_borrow(char why[QUEUE_WHY_SIZE], const struct scaling_snapshot *snapshot,
                     const struct scaling_decision *decision);

/* What a peer has answered. */
void describe_answer(char why[QUEUE_WHY_SIZE], const struct scaling_decision *decision,
                     const struct fleet_wanted *wanted);

/* What is done with a loan, and why. */
void describe_loan(char why[QUEUE_WHY_SIZE], const struct scaling_snapshot *snapshot, int number,
                   enum scaling_reason reason);

#endif
