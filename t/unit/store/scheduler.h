#ifndef HASHMILL_TEST_SCHEDULER_H
#define HASHMILL_TEST_SCHEDULER_H

/* A queue that leases by rank and arrival, as the store does, for tests of rank.h. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/store/rank.h"

enum { CLIENTS_MOST = 1100, ITEMS_MOST = 400000, PENALTY_NS = 100 };

struct item {
    int client;
    int64_t iterations;
    int64_t rank;
    int64_t clock_ms; /* when it was enqueued */
    bool waits;
};

static struct {
    struct rank_clock clock;
    struct rank_client clients[CLIENTS_MOST];
    int64_t waiting[CLIENTS_MOST];
    int64_t served[CLIENTS_MOST]; /* iterations leased */
    int client_count;
    int64_t clock_ms;
    int64_t all_waiting;
    struct item items[ITEMS_MOST]; /* by arrival */
    int count;
    int heap[2 * ITEMS_MOST]; /* indexes of items; those that wait no more are skipped */
    int heap_count;
    uint64_t random;
} queue;

/* An empty queue with this many clients of weight 1, who are known. */
static void new_queue(int clients, uint64_t seed) {
    memset(&queue, 0, sizeof queue);
    queue.client_count = clients;
    queue.random = seed * 0x9e3779b97f4a7c15 + 1;
    for (int i = 0; i < clients; i++)
        rank_load(&queue.clients[i], 0, 1);
}

/* A number from low to high (xorshift64). */
static int64_t any(int64_t low, int64_t high) {
    queue.random ^= queue.random << 13;
    queue.random ^= queue.random >> 7;
    queue.random ^= queue.random << 17;
    return low + (int64_t)(queue.random % (uint64_t)(high - low + 1));
}

static bool is_before(int one, int other) {
    int64_t difference = queue.items[one].rank - queue.items[other].rank;
    return difference != 0 ? difference < 0 : one < other;
}

static void swap(int one, int other) {
    int kept = queue.heap[one];
    queue.heap[one] = queue.heap[other];
    queue.heap[other] = kept;
}

/* Lets an item wait. */
static void push(int item) {
    int place = queue.heap_count++;
    queue.heap[place] = item;
    while (place > 0 && is_before(queue.heap[place], queue.heap[(place - 1) / 2])) {
        swap(place, (place - 1) / 2);
        place = (place - 1) / 2;
    }
    queue.items[item].waits = true;
    queue.waiting[queue.items[item].client]++;
    queue.all_waiting++;
}

/* Takes the first of the heap away. */
static int pop(void) {
    int first = queue.heap[0];
    queue.heap[0] = queue.heap[--queue.heap_count];
    for (int place = 0;;) {
        int least = 2 * place + 1;
        if (least >= queue.heap_count)
            return first;
        if (least + 1 < queue.heap_count && is_before(queue.heap[least + 1], queue.heap[least]))
            least++;
        if (!is_before(queue.heap[least], queue.heap[place]))
            return first;
        swap(place, least);
        place = least;
    }
}

static void wait_no_more(struct item *item) {
    item->waits = false;
    queue.waiting[item->client]--;
    queue.all_waiting--;
}

/* Of all clients. */
static int64_t greatest_finish(void) {
    int64_t finish = 0;
    for (int i = 0; i < queue.client_count; i++)
        finish = queue.clients[i].finish > finish ? queue.clients[i].finish : finish;
    return finish;
}

/* Returns the item's number. */
static int enqueue(int client, int64_t iterations) {
    if (queue.all_waiting == 0) {
        queue.clock.top = greatest_finish();
        rank_idle(&queue.clock);
    }
    const struct rank_item item = {.clock_ms = queue.clock_ms,
                                   .iterations = iterations,
                                   .penalty_ns = PENALTY_NS,
                                   .own_wait = queue.waiting[client] > 0,
                                   .others_wait = queue.all_waiting > queue.waiting[client],
                                   .only_client = queue.client_count == 1};
    int64_t rank = rank_enqueue(&queue.clock, &queue.clients[client], &item);
    queue.items[queue.count] = (struct item){client, iterations, rank, queue.clock_ms, false};
    push(queue.count);
    return queue.count++;
}

/* The writer is started: a client is read as the store does it. */
static void start_again(int number) {
    struct rank_client *client = &queue.clients[number];
    rank_load(client, client->finish, client->weight);
    for (int i = queue.count - 1; i >= 0; i--) {
        const struct item *item = &queue.items[i];
        const struct rank_item as = {
            .clock_ms = item->clock_ms, .iterations = item->iterations, .penalty_ns = PENALTY_NS};
        if (item->waits && item->client == number &&
            item->clock_ms > queue.clock_ms - RANK_PASS_MAX_MS)
            rank_load_item(client, &as, item->rank, queue.clock_ms);
    }
    rank_loaded(&queue.clock, client);
}

/* Leases the next item and returns its number; -1: none waits. */
static int lease(void) {
    int next = -1;
    while (queue.all_waiting > 0 && next < 0) {
        int first = pop();
        next = queue.items[first].waits ? first : -1;
    }
    if (next < 0)
        return -1;
    struct item *item = &queue.items[next];
    wait_no_more(item);
    queue.served[item->client] += item->iterations;
    rank_leased(&queue.clock, &queue.clients[item->client], item->rank);
    return next;
}

/* Cancels an item that waits. */
static void cancel(int number) {
    struct item *item = &queue.items[number];
    const struct rank_item ranked = {
        .clock_ms = item->clock_ms, .iterations = item->iterations, .penalty_ns = PENALTY_NS};
    rank_cancelled(&queue.clock, &queue.clients[item->client], &ranked, item->iterations);
    wait_no_more(item);
}

/* Leases until the item is leased; returns how many came before it. */
static int leased_before(int item) {
    int before = 0;
    while (queue.items[item].waits)
        before += lease() != item;
    return before;
}

#endif
