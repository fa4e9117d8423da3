#include "run_queue.h"

#include <search.h>
#include <stdlib.h>

#include "memory.h"

/* The order of the index, for tsearch. */
static int by_node_and_id(const void *one, const void *other) {
    const struct item *a = one, *b = other;
    if (a->node != b->node)
        return a->node < b->node ? -1 : 1;
    return memcmp(a->id, b->id, sizeof a->id);
}

void hand_init(struct hand *hand) {
    *hand = (struct hand){0};
    TAILQ_INIT(&hand->fed);
    for (int class = 0; class < CLASSES; class ++)
        TAILQ_INIT(&hand->classes[class]);
}

void hand_free(struct hand *hand) {
    struct held *held;
    while ((held = TAILQ_FIRST(&hand->fed)) != NULL)
        hand_drop(hand, held);
}

int hand_class(int64_t remaining) {
    return remaining < 1 ? 0 : 64 - __builtin_clzll((unsigned long long)remaining);
}

struct held *hand_find(const struct hand *hand, int node, const uuid_t id) {
    struct item key = {.node = node};
    uuid_copy(key.id, id);
    struct held **found = tfind(&key, &hand->index, by_node_and_id);
    return found ? *found : NULL;
}

/* Puts an item into the queues of those that wait. */
static void enter(struct hand *hand, struct held *held, bool first_of_class) {
    int class = hand_class(held->item.remaining);
    struct class_sums *sums = &hand->waiting[held->item.node][class];
    if (first_of_class)
        TAILQ_INSERT_HEAD(&hand->classes[class], held, next_of_class);
    else
        TAILQ_INSERT_TAIL(&hand->classes[class], held, next_of_class);
    hand->filled |= UINT64_C(1) << class;
    sums->items++;
    sums->iterations += (uint64_t)held->item.remaining;
    held->running = false;
}

/* Takes an item out of them. */
static void leave(struct hand *hand, struct held *held) {
    int class = hand_class(held->item.remaining);
    struct class_sums *sums = &hand->waiting[held->item.node][class];
    TAILQ_REMOVE(&hand->classes[class], held, next_of_class);
    if (TAILQ_EMPTY(&hand->classes[class]))
        hand->filled &= ~(UINT64_C(1) << class);
    sums->items--;
    sums->iterations -= (uint64_t)held->item.remaining;
    held->running = true;
}

void hand_add(struct hand *hand, const struct item *item) {
    struct held *held = memory_or_end(calloc(1, sizeof *held), "an item");
    held->item = *item;
    memory_or_end(tsearch(held, &hand->index, by_node_and_id), "an item");
    TAILQ_INSERT_TAIL(&hand->fed, held, next_fed);
    hand->count++;
    hand->items[item->node]++;
    enter(hand, held, false);
}

/* Takes an item out of the index. */
static void forget(struct hand *hand, struct held *held) {
    tdelete(held, &hand->index, by_node_and_id);
    TAILQ_REMOVE(&hand->fed, held, next_fed);
    hand->count--;
    hand->items[held->item.node]--;
}

void hand_drop(struct hand *hand, struct held *held) {
    forget(hand, held);
    held->dropped = true;
    if (held->running)
        return;
    leave(hand, held);
    free(held);
}

/* The first item of the shortest class that waits, or NULL. */
static struct held *shortest_of(const struct hand *hand) {
    return hand->filled == 0 ? NULL : TAILQ_FIRST(&hand->classes[__builtin_ctzll(hand->filled)]);
}

const struct held *hand_shortest(const struct hand *hand) {
    return shortest_of(hand);
}

struct held *hand_take(struct hand *hand, bool oldest) {
    struct held *held = shortest_of(hand);
    if (!held)
        return NULL;
    if (oldest) {
        held = TAILQ_FIRST(&hand->fed);
        while (held->running)
            held = TAILQ_NEXT(held, next_fed);
    }
    leave(hand, held);
    return held;
}

void hand_give_back(struct hand *hand, struct held *held) {
    enter(hand, held, true);
}

void hand_end(struct hand *hand, struct held *held) {
    if (!held->dropped)
        forget(hand, held);
    free(held);
}

void hand_count(struct hand_load *load, const struct item *item, int64_t cap) {
    load->items++;
    load->iterations += item->remaining < cap ? item->remaining : cap;
    load->long_items += item->remaining >= cap;
}

struct hand_load hand_waiting(const struct hand *hand, int node, int64_t cap) {
    struct hand_load load = {0};
    int cap_class = hand_class(cap);
    for (int class = 0; class < CLASSES; class ++) {
        const struct class_sums *sums = &hand->waiting[node][class];
        const struct held *held;
        if (class < cap_class) {
            load.items += sums->items;
            load.iterations += (int64_t)sums->iterations;
        } else if (class > cap_class) {
            load.items += sums->items;
            load.iterations += sums->items * cap;
            load.long_items += sums->items;
        } else {
            TAILQ_FOREACH(held, &hand->classes[class], next_of_class) {
                if (held->item.node == node)
                    hand_count(&load, &held->item, cap);
            }
        }
    }
    return load;
}
