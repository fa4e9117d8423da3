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

/* Virtual time for a number of iterations, rounded up. */
static int64_t cost_of(const struct rank_client *client, int64_t iterations) {
    return (later(iterations, RANK_LEAST) - 1) / client->weight + 1;
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
    passed[closest].longest = later(passed[closest].longest, passed[closest + 1].longest);
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

/* What a new item overtakes, and what it does not. */
struct overtaken {
    int64_t cost;    /* of what it overtakes, */
    int64_t longest; /* and of the longest of these */
    int64_t floor;   /* the greatest rank of the others */
};

/* What an item at this place in its client's order overtakes. */
static struct overtaken overtaken_by(const struct rank_client *client, int64_t order_ms) {
    struct overtaken overtaken = {.floor = client->floor};
    for (int i = 0; i < client->passed_count; i++) {
        const struct rank_passed *passed = &client->passed[i];
        if (passed->until_ms > order_ms) {
            overtaken.cost = add(overtaken.cost, passed->cost);
            overtaken.longest = later(overtaken.longest, passed->longest);
        } else {
            overtaken.floor = later(overtaken.floor, passed->rank);
        }
    }
    return overtaken;
}

/* Where the item's share begins: behind all that its client has enqueued, or before what it
 * overtakes. Who has nothing booked comes before all that have the rank leased last. */
static int64_t place_of(const struct rank_clock *clock, struct rank_client *client,
                        const struct overtaken *overtaken, int64_t cost, bool may_be_unfair) {
    if (client->finish <= clock->now) {
        client->ahead = client->ahead_until = 0;
        return clock->now > 0 && clock->now < VIRTUAL_MAX ? clock->now - 1 : clock->now;
    }
    int64_t place = later(clock->now, client->finish - overtaken->cost);
    if (place >= client->ahead_until)
        client->ahead = 0;
    if (place == client->finish)
        return place;
    if (!may_be_unfair && cost > overtaken->longest - client->ahead)
        return client->finish;
    client->ahead = add(client->ahead, cost);
    client->ahead_until = add(client->finish, cost);
    return place;
}

/* By how much of the queue clock an item may be overtaken. */
static int64_t behind_ms(const struct rank_item *item) {
    double penalty_ms = (double)item->iterations * (double)item->penalty_ns / 1e6;
    return penalty_ms < RANK_PASS_MAX_MS ? (int64_t)penalty_ms : RANK_PASS_MAX_MS;
}

/* How many iterations may be overtaken for as long as that can be. */
static int64_t hour_of(const struct rank_item *item) {
    return item->penalty_ns > 0 ? RANK_PASS_MAX_MS * INT64_C(1000000) / item->penalty_ns : 0;
}

int64_t rank_enqueue(struct rank_clock *clock, struct rank_client *client,
                     const struct rank_item *item) {
    int64_t cost = cost_of(client, item->iterations);
    int64_t until_ms = item->clock_ms + behind_ms(item);
    if (!item->own_wait) {
        client->floor = client->ahead_until = 0;
        client->passed_count = 0;
    }
    forget_passed(client, item->clock_ms);
    const struct overtaken overtaken = overtaken_by(client, until_ms);
    int64_t rank = place_of(clock, client, &overtaken, cost, item->only_client);
    if (!item->others_wait)
        rank = add(rank, earlier(cost, hour_of(item) / client->weight));
    rank = later(rank, overtaken.floor);
    client->finish = add(later(client->finish, clock->now), cost);
    clock->top = later(clock->top, client->finish);
    if (until_ms > item->clock_ms)
        note_passed(client, &(struct rank_passed){until_ms, cost, cost, rank});
    else
        client->floor = later(client->floor, rank);
    return rank;
}

int64_t rank_sane(int64_t rank) {
    return earlier(later(rank, 0), VIRTUAL_MAX);
}

void rank_load(struct rank_client *client, int64_t finish, int64_t weight) {
    *client = (struct rank_client){.finish = rank_sane(finish),
                                   .weight = earlier(later(weight, 1), 1000)};
}

void rank_leased(struct rank_clock *clock, const struct rank_client *client, int64_t rank) {
    clock->now = later(clock->now, earlier(rank, client->finish));
}

/* Takes so much off what may be overtaken that it is no more than what is booked. */
static void trim_passed(struct rank_client *client, int64_t booked) {
    for (int i = 0; i < client->passed_count; i++) {
        client->passed[i].cost = earlier(client->passed[i].cost, booked);
        client->passed[i].longest = earlier(client->passed[i].longest, client->passed[i].cost);
        booked -= client->passed[i].cost;
    }
}

void rank_load_item(struct rank_client *client, const struct rank_item *item, int64_t rank,
                    int64_t clock_ms) {
    struct rank_item sane = {.clock_ms = earlier(item->clock_ms, clock_ms),
                             .iterations = earlier(later(item->iterations, 1), VIRTUAL_MAX),
                             .penalty_ns = item->penalty_ns};
    int64_t until_ms = sane.clock_ms + behind_ms(&sane);
    int64_t cost = cost_of(client, sane.iterations);
    if (until_ms > clock_ms)
        note_passed(client, &(struct rank_passed){until_ms, cost, cost, rank_sane(rank)});
    else
        client->floor = later(client->floor, rank_sane(rank));
}

void rank_loaded(const struct rank_clock *clock, struct rank_client *client) {
    trim_passed(client, later(client->finish - clock->now, 0));
}

/* Takes an item out of those that may be overtaken. It may have been joined with earlier ones. */
static void forget_item(struct rank_client *client, const struct rank_item *item) {
    int64_t until_ms = item->clock_ms + behind_ms(item);
    int64_t cost = cost_of(client, item->iterations);
    int place = client->passed_count - 1;
    while (place >= 0 && client->passed[place].until_ms > until_ms)
        place--;
    if (place < 0)
        return;
    struct rank_passed *passed = &client->passed[place];
    passed->cost = later(passed->cost - cost, 0);
    passed->longest = earlier(passed->longest, passed->cost);
}

void rank_cancelled(struct rank_clock *clock, struct rank_client *client,
                    const struct rank_item *item, int64_t remaining) {
    int64_t booked = client->finish - clock->now;
    forget_item(client, item);
    if (booked <= 0 || remaining <= 0)
        return;
    booked -= earlier(booked, cost_of(client, remaining));
    client->finish = clock->now + booked;
    clock->loose = true;
    client->ahead_until = earlier(client->ahead_until, client->finish);
    trim_passed(client, booked);
}

void rank_idle(struct rank_clock *clock) {
    clock->now = later(later(clock->now, clock->top), 1); /* there is room before it: place_of */
    clock->top = clock->now;
    clock->loose = false;
}
