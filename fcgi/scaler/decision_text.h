#ifndef HASHMILL_DECISION_TEXT_H
#define HASHMILL_DECISION_TEXT_H

/* The scaler's decisions in words, for the log, GET /stats and the view decisions. */

#include "fleet.h"

/* Why machines are launched, name being the first of them, or why none is although an item waits.
 */
void describe_launch(char why[QUEUE_WHY_SIZE], const struct scaling_snapshot *snapshot,
                     const struct scaling_decision *decision, const char *name);

/* The step taken with a machine, and why. */
void describe_step(char why[QUEUE_WHY_SIZE], const struct scaling_machine *machine,
                   enum scaling_step step, enum scaling_reason reason, const char *name,
                   const char *id);

/* Which peer is asked for a loan, and why. */
void describe_borrow(char why[QUEUE_WHY_SIZE], const struct scaling_snapshot *snapshot,
                     const struct scaling_decision *decision);

/* A peer's answer. */
void describe_answer(char why[QUEUE_WHY_SIZE], const struct scaling_decision *decision,
                     const struct fleet_wanted *wanted);

/* The step taken with a loan, and why. */
void describe_loan(char why[QUEUE_WHY_SIZE], const struct scaling_snapshot *snapshot, int number,
                   enum scaling_reason reason);

#endif
