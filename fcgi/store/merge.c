#include "merge.h"

#include <string.h>

/* The classes of states: nothing leads back from a higher one to a lower one. */
static int class_of(const struct queue_copy *item) {
    if (item->state == ITEM_PULLED)
        return 3;
    return item->state == ITEM_CANCELLED ? 2 : 1;
}

static int sign(int64_t a, int64_t b) {
    return (a > b) - (a < b);
}

/* Which is further on: above 0 when it is a. */
static int compare(const struct queue_copy *a, const struct queue_copy *b) {
    int order = sign(class_of(a), class_of(b));
    if (order == 0)
        order = sign(a->trial, b->trial);
    return order != 0 ? order : sign(b->remaining, a->remaining);
}

static bool same_item(const struct queue_copy *a, const struct queue_copy *b) {
    return a->iterations == b->iterations && memcmp(a->digest, b->digest, DIGEST_SIZE) == 0;
}

/* Whether two states of an item are the same in all that merges. */
static bool same_state(const struct queue_copy *a, const struct queue_copy *b) {
    return a->state == b->state && a->remaining == b->remaining && a->trial == b->trial &&
           a->home == b->home && a->moves == b->moves && a->has_pull == b->has_pull &&
           a->completed_wall_ms == b->completed_wall_ms &&
           (!a->has_pull || memcmp(a->pull, b->pull, sizeof a->pull) == 0) &&
           memcmp(a->chain, b->chain, DIGEST_SIZE) == 0;
}

/* The earlier of two moments of completion; 0 is none. */
static int64_t earlier(int64_t a, int64_t b) {
    if (a == 0 || b == 0)
        return a + b;
    return a < b ? a : b;
}

/* Takes how far the item is from a state. */
static void take_state(struct queue_copy *item, const struct queue_copy *from) {
    item->state = from->state;
    item->remaining = from->remaining;
    item->trial = from->trial;
    item->completed_wall_ms = from->completed_wall_ms;
    memcpy(item->chain, from->chain, DIGEST_SIZE);
}

/* The item as its next trial begins. */
static void begin_anew(struct queue_copy *item) {
    item->trial++;
    item->remaining = item->iterations - 1;
    memcpy(item->chain, item->digest, DIGEST_SIZE);
    item->state = item->remaining == 0 ? ITEM_DONE : ITEM_WAITING;
    if (item->state == ITEM_WAITING)
        item->completed_wall_ms = 0;
}

/* Merges two states that are equally far on; item is ours. Whether their chains differ. */
static bool merge_equal(struct queue_copy *item, const struct queue_copy *theirs) {
    int64_t completed = earlier(item->completed_wall_ms, theirs->completed_wall_ms);
    int order = memcmp(theirs->chain, item->chain, DIGEST_SIZE);
    if (order == 0 || class_of(item) == 1)
        item->completed_wall_ms = completed;
    if (order == 0)
        return false;
    if (class_of(item) == 1)
        begin_anew(item);
    else if (order > 0)
        take_state(item, theirs);
    return true;
}

static void merge_home(struct queue_copy *item, const struct queue_copy *theirs) {
    bool better =
        theirs->moves != item->moves ? theirs->moves > item->moves : theirs->home < item->home;
    if (better) {
        item->moves = theirs->moves;
        item->home = theirs->home;
    }
}

static void merge_pull(struct queue_copy *item, const struct queue_copy *theirs) {
    if (!theirs->has_pull ||
        (item->has_pull && memcmp(item->pull, theirs->pull, sizeof item->pull) >= 0))
        return;
    item->has_pull = 1;
    memcpy(item->pull, theirs->pull, sizeof item->pull);
}

void merge(struct merged *merged, const struct queue_copy *ours, const struct queue_copy *theirs) {
    *merged = (struct merged){.item = *ours};
    if (!same_item(ours, theirs)) {
        merged->fault = true;
        return;
    }
    int order = compare(theirs, ours);
    if (order > 0)
        take_state(&merged->item, theirs);
    else if (order == 0)
        merged->fault = merge_equal(&merged->item, theirs);
    merge_home(&merged->item, theirs);
    merge_pull(&merged->item, theirs);
    merged->ours_behind = !same_state(&merged->item, ours);
    merged->theirs_behind = !same_state(&merged->item, theirs);
}
