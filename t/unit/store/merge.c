/* Merging: ten thousand pairs of histories of an item, and what becomes of wrong chains. */
#include "fcgi/store/merge.h"

#include <stdlib.h>
#include <string.h>

#include "tap.h"

enum { PAIRS = 10000, STATES_MAX = 24, NODES = 3 };

/* The true chain of an item with so many links to go. */
static void true_chain(struct queue_copy *item) {
    for (int i = 0; i < DIGEST_SIZE; i++)
        item->chain[i] = (uint8_t)(item->iterations - 1 == item->remaining
                                       ? item->digest[i]
                                       : item->digest[i] + 31 * item->remaining + i);
}

static struct queue_copy new_copy(int64_t iterations) {
    struct queue_copy item = {.iterations = iterations, .remaining = iterations - 1};
    memset(item.digest, rand() % 256, DIGEST_SIZE);
    item.home = rand() % NODES;
    item.enqueued_wall_ms = 1000;
    true_chain(&item);
    if (item.remaining == 0) {
        item.state = ITEM_DONE;
        item.completed_wall_ms = item.enqueued_wall_ms;
    }
    return item;
}

static void set_pulled(struct queue_copy *item) {
    item->state = ITEM_PULLED;
    item->has_pull = rand() % 2;
    if (item->has_pull)
        memset(item->pull, 1 + rand() % 255, sizeof item->pull);
}

/* What happens to an item next. False when nothing does. */
static bool step(struct queue_copy *item) {
    int what = rand() % 10;
    if (item->state >= ITEM_PULLED)
        return false;
    if (what < 2) {
        item->moves++;
        item->home = (item->home + 1) % NODES;
    } else if (item->state == ITEM_DONE) {
        set_pulled(item);
    } else if (what == 2) {
        item->state = ITEM_CANCELLED;
    } else {
        item->remaining -= 1 + rand() % item->remaining;
        true_chain(item);
        if (item->remaining == 0) {
            item->state = ITEM_DONE;
            item->completed_wall_ms = 2000 + rand() % 1000;
        }
    }
    return true;
}

/* A history: what is true of an item, one state after the other. How many. */
static int make_history(struct queue_copy *history) {
    int count = 1;
    history[0] = new_copy(1 + rand() % 40);
    while (count < STATES_MAX) {
        history[count] = history[count - 1];
        if (!step(&history[count]))
            break;
        count++;
    }
    return count;
}

/* Whether two states are the same in every field that merges. */
static bool equal(const struct queue_copy *a, const struct queue_copy *b) {
    return a->state == b->state && a->remaining == b->remaining && a->trial == b->trial &&
           a->home == b->home && a->moves == b->moves && a->has_pull == b->has_pull &&
           a->completed_wall_ms == b->completed_wall_ms &&
           memcmp(a->pull, b->pull, sizeof a->pull) == 0 &&
           memcmp(a->chain, b->chain, DIGEST_SIZE) == 0;
}

/* Takes a state in. Whether it was a fault. */
static bool take(struct queue_copy *side, const struct queue_copy *told) {
    struct merged merged;
    merge(&merged, side, told);
    *side = merged.item;
    return merged.fault;
}

/* The two sides tell each other what they have until neither learns anything. False when they do
 * not come to an end. */
static bool settle(struct queue_copy *a, struct queue_copy *b) {
    struct merged merged = {.theirs_behind = true};
    for (int turn = 0; turn < 10; turn++) {
        merge(&merged, a, b);
        *a = merged.item;
        if (!merged.theirs_behind && !merged.ours_behind)
            return true;
        merge(&merged, b, a);
        *b = merged.item;
    }
    return false;
}

/* Two sides hear of a history, each its own part of it: in any order, again and again, late; and of
 * each other's states in between. The last state is heard by one of them. */
static bool pair_agrees(void) {
    struct queue_copy history[STATES_MAX];
    int count = make_history(history);
    struct queue_copy sides[2] = {history[rand() % count], history[rand() % count]};
    bool fault = false;
    for (int i = rand() % 30; i > 0; i--) {
        int side = rand() % 2;
        const struct queue_copy *told =
            rand() % 4 == 0 ? &sides[1 - side] : &history[rand() % count];
        fault |= take(&sides[side], told);
    }
    fault |= take(&sides[rand() % 2], &history[count - 1]);
    for (int i = rand() % 5; i > 0; i--) /* what was delayed on its way */
        fault |= take(&sides[rand() % 2], &history[rand() % count]);
    return settle(&sides[0], &sides[1]) && !fault && equal(&sides[0], &sides[1]) &&
           equal(&sides[0], &history[count - 1]);
}

/* The same with a history that forks: cancelled at one node while another went on. */
static bool fork_agrees(void) {
    struct queue_copy history[STATES_MAX];
    int count = make_history(history);
    struct queue_copy cancelled = history[rand() % count];
    if (cancelled.state == ITEM_DONE || cancelled.state == ITEM_PULLED)
        return true;
    cancelled.state = ITEM_CANCELLED;
    struct queue_copy sides[2] = {cancelled, history[count - 1]};
    bool pulled = history[count - 1].state == ITEM_PULLED;
    for (int i = rand() % 10; i > 0; i--)
        take(&sides[rand() % 2], &history[rand() % count]);
    return settle(&sides[0], &sides[1]) && equal(&sides[0], &sides[1]) &&
           sides[0].state == (pulled ? ITEM_PULLED : ITEM_CANCELLED);
}

/* Any state at all of one item, true or not; few different ones, so that many pairs are alike. */
static struct queue_copy any_state(void) {
    static const int states[] = {ITEM_WAITING, ITEM_DONE, ITEM_PULLED, ITEM_CANCELLED};
    struct queue_copy item = {.iterations = 4, .state = states[rand() % 4]};
    memset(item.digest, 'd', DIGEST_SIZE);
    item.remaining = 1 + rand() % 3;
    if (item.state == ITEM_DONE || item.state == ITEM_PULLED) {
        item.remaining = 0;
        item.completed_wall_ms = 1 + rand() % 2;
    }
    item.trial = rand() % 2;
    item.moves = rand() % 2;
    item.home = rand() % 2;
    memset(item.chain, item.remaining == 3 ? 'd' : 'a' + rand() % 2, DIGEST_SIZE);
    if (item.state == ITEM_PULLED && rand() % 2) {
        item.has_pull = 1;
        memset(item.pull, 'p' + rand() % 2, sizeof item.pull);
    }
    return item;
}

static void laws(void) {
    bool commutes = true;
    bool again = true;
    bool ends = true;
    bool says = true;
    for (int i = 0; i < PAIRS; i++) {
        struct queue_copy a = any_state();
        struct queue_copy b = any_state();
        struct merged one;
        struct merged other;
        merge(&one, &a, &b);
        merge(&other, &b, &a);
        commutes = commutes && equal(&one.item, &other.item) && one.fault == other.fault;
        says = says && one.ours_behind == !equal(&one.item, &a) &&
               one.theirs_behind == !equal(&one.item, &b);
        struct queue_copy twice = one.item;
        take(&twice, &a);
        take(&twice, &b);
        take(&twice, &one.item);
        again = again && equal(&twice, &one.item);
        ends = ends && settle(&a, &b) && equal(&a, &b);
    }
    ok(commutes, "whoever merges, the same comes of it");
    ok(again, "what was merged changes nothing when it comes again");
    ok(says, "it is said who is behind");
    ok(ends, "any two sides end equal");
}

static void three_states(void) {
    bool same = true;
    for (int i = 0; i < PAIRS; i++) {
        struct queue_copy states[3] = {any_state(), any_state(), any_state()};
        struct queue_copy one = states[0];
        struct queue_copy other = states[2];
        bool fault = take(&one, &states[1]);
        fault |= take(&one, &states[2]);
        fault |= take(&other, &states[1]);
        fault |= take(&other, &states[0]);
        same = same && (fault || equal(&one, &other));
    }
    ok(same, "without a fault the order does not matter");
}

static void faults(void) {
    struct queue_copy ours = new_copy(10);
    struct merged merged;
    ours.remaining = 5;
    true_chain(&ours);
    struct queue_copy theirs = ours;
    theirs.chain[3] ^= 1;
    merge(&merged, &ours, &theirs);
    ok(merged.fault, "two chains for one place are a fault");
    is_int(merged.item.trial, 1, "it is begun anew");
    is_int(merged.item.remaining, 9, "from the start");
    is_int(merged.item.state, ITEM_WAITING, "it waits");
    ok(memcmp(merged.item.chain, ours.digest, DIGEST_SIZE) == 0, "with its digest");
    ours.remaining = theirs.remaining = 0;
    ours.state = theirs.state = ITEM_DONE;
    ours.completed_wall_ms = theirs.completed_wall_ms = 5000;
    merge(&merged, &ours, &theirs);
    ok(merged.fault && merged.item.state == ITEM_WAITING && merged.item.completed_wall_ms == 0,
       "also of a done one");
    struct queue_copy anew = merged.item;
    ok(!take(&anew, &theirs) && equal(&anew, &merged.item), "no old result is taken any more");
    ours.state = theirs.state = ITEM_PULLED;
    merge(&merged, &ours, &theirs);
    bool greater = memcmp(ours.chain, theirs.chain, DIGEST_SIZE) > 0;
    ok(merged.fault && equal(&merged.item, greater ? &ours : &theirs),
       "of two that were handed out the greater stays");
    theirs.iterations++;
    merge(&merged, &ours, &theirs);
    ok(merged.fault && equal(&merged.item, &ours) && !merged.ours_behind && !merged.theirs_behind,
       "another item under the same id changes nothing");
}

int main(void) {
    int good = 0;
    int forks = 0;
    srand(6);
    for (int i = 0; i < PAIRS; i++) {
        good += pair_agrees();
        forks += fork_agrees();
    }
    is_int(good, PAIRS, "of so many pairs of histories both sides end at the last state");
    is_int(forks, PAIRS, "histories that fork end equal, too");
    laws();
    three_states();
    faults();
    return done_testing();
}
