/* The scaler's view of the peer, and of loans from and to it. */

#include <string.h>

#include "clock.h"
#include "fleet.h"

/* The loan of that id among those saved, or NULL. */
static const struct queue_loan *find_loan(const struct fleet *fleet, const struct uuid *id) {
    for (int i = 0; i < fleet->peers.loan_count; i++) {
        if (memcmp(fleet->peers.loans[i].id.bytes, id->bytes, ID_SIZE) == 0)
            return &fleet->peers.loans[i];
    }
    return NULL;
}

/* Learns the answer for the wanted loan: it is held now, or the peer has refused it, or there is no
 * answer yet. */
static void note_answer(struct fleet *fleet) {
    struct fleet_wanted *wanted = &fleet->wanted;
    wanted->answer = ANSWER_NONE;
    if (wanted->node == SCALING_NOBODY)
        return;
    const struct queue_loan *loan = find_loan(fleet, &wanted->loan);
    if (loan && loan->state == LOAN_WANTED)
        return;
    wanted->answer = loan ? ANSWER_LENT : ANSWER_REFUSED;
    wanted->answered_by = wanted->node;
    wanted->node = SCALING_NOBODY;
    if (!loan)
        wanted->refused_ms = clock_steady_ms();
}

void fleet_note_wanted(struct fleet *fleet, const struct uuid *loan, int32_t node) {
    fleet->wanted.loan = *loan;
    fleet->wanted.node = node;
}

/* Finds the wanted loan; an earlier scaler may have asked for it. */
static void find_wanted(struct fleet *fleet) {
    for (int i = 0; i < fleet->peers.loan_count; i++) {
        const struct queue_loan *loan = &fleet->peers.loans[i];
        if (loan->side == LOAN_TAKEN && loan->state == LOAN_WANTED)
            fleet_note_wanted(fleet, &loan->id, loan->node);
    }
}

bool fleet_read_peers(struct fleet *fleet, struct queue *queue) {
    if (!fleet->conf->has_peer)
        return true;
    if (queue_peers(queue, &fleet->peers) != QUEUE_OK)
        return false;
    note_answer(fleet);
    find_wanted(fleet);
    return true;
}

void fleet_forget_wanted(struct fleet *fleet, const struct queue_loan *loan) {
    if (memcmp(fleet->wanted.loan.bytes, loan->id.bytes, ID_SIZE) == 0)
        fleet->wanted.node = SCALING_NOBODY;
}

void fleet_describe_loans(const struct fleet *fleet, struct scaling_snapshot *snapshot) {
    const struct conf *conf = fleet->conf;
    bool away = fleet->tally.copying.away != 0;
    int64_t refused_ms = fleet->wanted.refused_ms;
    snapshot->refused = refused_ms > 0 && clock_steady_ms() - refused_ms < SCALING_REFUSED_MS;
    snapshot->has_peer = conf->has_peer;
    snapshot->peer = (struct scaling_peer){.node = conf->peer.node, .away = away};
    snapshot->loan_count = fleet->peers.loan_count;
    for (int i = 0; i < fleet->peers.loan_count; i++) {
        const struct queue_loan *loan = &fleet->peers.loans[i];
        snapshot->loans[i] =
            (struct scaling_loan){.node = loan->node,
                                  .side = loan->side,
                                  .state = loan->state,
                                  .away = away || loan->node != conf->peer.node,
                                  .left_ms = loan->deadline_ms - fleet->tally.clock_ms};
    }
}
