#include "rank.h"

#include <string.h>

#define VIRTUAL_MAX (INT64_C(1) << 62)

/* The sum of two virtual times, which ends at VIRTUAL_MAX. */
static int64_t add(int64_t one, int64_t other) {
    return one < VIRTUAL_MAX - other ? one + other : VIRTUAL_MAX;
}

static int64_t later(int64_t one, int64_t other) {
    return one > other ? one : other;
}

static int64_t earlier(int64_t one, int64_t other) {
    return one < other ? one : other;
}

/* Virtual time for so many iterations, rounded up. */
static int64_t cost_of(const struct rank_client *client, int64_t iterations) {
    return (iterations - 1) / client->weight + 1;
}

/* Removes the first ones of the items that may be overtaken. */
static void remove_passed(struct rank_client *client, int count) {
    client->passed_count -= count;
    memmove(client->passed, client->passed + count,
            (size_t)client->passed_count * sizeof client->passed[0]);
}

/* Forgets the items that can be overtaken no more. */
static void forget_passed(struct rank_client *client, int64_t clock_ms) {
    int old = 0;
    while (old < client->passed_count && client->passed[old].until_ms <= clock_ms)
        client->floor = later(client->floor, client->passed[old++].rank);
    remove_passed(client, old);
}

/* Joins the two neighbours that are closest, at the time of the earlier one: its place in the order
 * is the safe one, as it overtakes less. */
static void join_closest(struct rank_client *client) {
    struct rank_passed *passed = client->passed;
    int closest = 0;
    for (int i = 1; i + 1 < client->passed_count; i++) {
        if (passed[i + 1].until_ms - passed[i].until_ms <
            passed[closest + 1].until_ms - passed[closest].until_ms)
            closest = i;
    }
    passed[closest].rank = later(passed[closest].rank, passed[closest + 1].rank);
    passed[closest].cost = add(passed[closest].cost, passed[closest + 1].cost);
    client->passed_count--;
    memmove(passed + closest + 1, passed + closest + 2,
            (size_t)(client->passed_count - closest - 1) * sizeof passed[0]);
}

/* Notes an item that later ones may overtake. */
static void note_passed(struct rank_client *client, const struct rank_passed *item) {
    if (client->passed_count == RANK_PASSED_MAX)
        join_closest(client);
    int place = client->passed_count;
    while (place > 0 && client->passed[place - 1].until_ms > item->until_ms)
        place--;
    memmove(client->passed + place + 1, client->passed + place,
            (size_t)(client->passed_count - place) * sizeof client->passed[0]);
    client->passed[place] = *item;
    client->passed_count++;
}

/* The cost of the client's items that one at this place in its order overtakes; *floor gets the
 * greatest rank of those that it does not. */
static int64_t overtaken_by(const struct rank_client *client, int64_t order_ms, int64_t *floor) {
    int64_t cost = 0;
    *floor = client->floor;
    for (int i = 0; i < client->passed_count; i++) {
        if (client->passed[i].until_ms > order_ms)
            cost = add(cost, client->passed[i].cost);
        else
            *floor = later(*floor, client->passed[i].rank);
    }
    return cost;
}

int64_t rank_enqueue(struct rank_clock *clock, struct rank_client *client,
                     const struct rank_item *item) {
    int64_t penalty_ns = item->penalty_ns;
    int64_t cost = cost_of(client, item->iterations);
    double penalty_ms = (double)item->iterations * (double)penalty_ns / 1e6;
    int64_t behind_ms = penalty_ms < RANK_PASS_MAX_MS ? (int64_t)penalty_ms : RANK_PASS_MAX_MS;
    int64_t hour = penalty_ns > 0 ? RANK_PASS_MAX_MS * INT64_C(1000000) / penalty_ns : 0;
    int64_t floor;
    if (!item->own_wait) {
        client->floor = client->last = 0;
        client->passed_count = 0;
    }
    forget_passed(client, item->clock_ms);
    int64_t overtaken = overtaken_by(client, item->clock_ms + behind_ms, &floor);
    int64_t rank = later(clock->now, client->finish - overtaken);
    if (!item->others_wait)
        rank = add(rank, earlier(cost, hour / client->weight));
    rank = later(rank, floor);
    client->finish = add(later(client->finish, clock->now), cost);
    client->last = later(client->last, rank);
    clock->top = later(clock->top, client->finish);
    if (behind_ms > 0)
        note_passed(client, &(struct rank_passed){item->clock_ms + behind_ms, cost, rank});
    else
        client->floor = later(client->floor, rank);
    return rank;
}

int64_t rank_sane(int64_t rank) {
    return earlier(later(rank, 0), VIRTUAL_MAX);
}

void rank_load(struct rank_client *client, int64_t finish, int64_t last, int64_t weight) {
    *client = (struct rank_client){.finish = rank_sane(finish), .last = rank_sane(last)};
    client->floor = client->last;
    client->weight = earlier(later(weight, 1), 1000);
}

void rank_leased(struct rank_clock *clock, int64_t rank) {
    clock->now = later(clock->now, rank);
}

/* Takes so much off what may be overtaken that it is no more than what is booked. */
static void trim_passed(struct rank_client *client, int64_t booked) {
    for (int i = 0; i < client->passed_count; i++) {
        client->passed[i].cost = earlier(client->passed[i].cost, booked);
        booked -= client->passed[i].cost;
    }
}

void rank_cancelled(const struct rank_clock *clock, struct rank_client *client, int64_t remaining) {
    int64_t booked = client->finish - clock->now;
    if (booked <= 0 || remaining <= 0)
        return;
    booked -= earlier(booked, cost_of(client, remaining));
    client->finish = clock->now + booked;
    trim_passed(client, booked);
}

void rank_idle(struct rank_clock *clock) {
    clock->now = later(clock->now, clock->top);
}
