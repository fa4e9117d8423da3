/* What the scaler knows of peers and of loans from and to them. */

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

/* Whether a peer was not heard from for a while. */
static bool is_away(const struct fleet *fleet, int32_t node) {
    for (int i = 0; i < fleet->peers.count; i++) {
        const struct queue_peer *peer = &fleet->peers.peers[i];
        if (peer->node == node)
            return peer->heard_ms < 0 || fleet->tally.clock_ms - peer->heard_ms >= PEER_AWAY_MS;
    }
    return true;
}

/* Learns what has become of the loan that was wanted: it is held now, or the peer has refused it,
 * or that is not known yet. */
static void note_answer(struct fleet *fleet) {
    struct fleet_asked *asked = &fleet->asked;
    asked->answer = ANSWER_NONE;
    if (asked->node == SCALING_NOBODY)
        return;
    const struct queue_loan *loan = find_loan(fleet, &asked->loan);
    if (loan && loan->state == LOAN_WANTED)
        return;
    asked->answer = loan ? ANSWER_LENT : ANSWER_REFUSED;
    asked->answered_by = asked->node;
    asked->node = SCALING_NOBODY;
    if (!loan)
        asked->refused_ms = clock_steady_ms();
}

void fleet_note_wanted(struct fleet *fleet, const struct uuid *loan, int32_t node) {
    fleet->asked.loan = *loan;
    fleet->asked.node = node;
    for (int peer = 0; peer < fleet->conf->peer_count; peer++) {
        if (fleet->conf->peers[peer].node == node)
            fleet->asked.last = peer;
    }
}

/* Finds the loan that is wanted; an earlier scaler may have asked for it. */
static void find_wanted(struct fleet *fleet) {
    for (int i = 0; i < fleet->peers.loan_count; i++) {
        const struct queue_loan *loan = &fleet->peers.loans[i];
        if (loan->side == LOAN_TAKEN && loan->state == LOAN_WANTED)
            fleet_note_wanted(fleet, &loan->id, loan->node);
    }
}

bool fleet_read_peers(struct fleet *fleet, struct queue *queue) {
    if (fleet->conf->peer_count == 0)
        return true;
    if (queue_peers(queue, &fleet->peers) != QUEUE_OK)
        return false;
    note_answer(fleet);
    find_wanted(fleet);
    return true;
}

void fleet_forget_wanted(struct fleet *fleet, const struct queue_loan *loan) {
    if (memcmp(fleet->asked.loan.bytes, loan->id.bytes, ID_SIZE) == 0)
        fleet->asked.node = SCALING_NOBODY;
}

void fleet_describe_loans(const struct fleet *fleet, struct scaling_snapshot *snapshot) {
    const struct conf *conf = fleet->conf;
    int64_t refused_ms = fleet->asked.refused_ms;
    snapshot->refused = refused_ms > 0 && clock_steady_ms() - refused_ms < SCALING_REFUSED_MS;
    snapshot->peer_count = conf->peer_count;
    for (int i = 0; i < conf->peer_count; i++) {
        int32_t node = conf->peers[(fleet->asked.last + 1 + i) % conf->peer_count].node;
        snapshot->peers[i] = (struct scaling_peer){.node = node, .away = is_away(fleet, node)};
    }
    snapshot->loan_count = fleet->peers.loan_count;
    for (int i = 0; i < fleet->peers.loan_count; i++) {
        const struct queue_loan *loan = &fleet->peers.loans[i];
        snapshot->loans[i] =
            (struct scaling_loan){.node = loan->node,
                                  .side = loan->side,
                                  .state = loan->state,
                                  .away = is_away(fleet, loan->node),
                                  .left_ms = loan->deadline_ms - fleet->tally.clock_ms};
    }
}
