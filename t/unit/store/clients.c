/* The clients in memory: found by name and number, saved or undone with the batch, and how fast
 * each may enqueue. */
#include "fcgi/store/clients.h"

#include <stdio.h>
#include <string.h>

#include "tap.h"

enum { MANY = 10000, NOW = 5000000 };

static struct clients clients;

static void test_names(void) {
    char name[QUEUE_NAME_SIZE];
    int wrong = 0;
    ok(!clients_named(&clients, "") && !clients_at(&clients, 0), "nobody at first");
    struct client *gap = clients_add(&clients, 2, "after a gap");
    ok(clients_at(&clients, 2) == gap && !clients_at(&clients, 1), "a lost row is a gap");
    ok(!clients_at(&clients, 3) && !clients_at(&clients, -1), "and what is beyond is nobody");
    ok(clients_add(&clients, 3, "") == clients_named(&clients, ""), "one may have no name");
    for (int i = 4; i < MANY; i++) {
        snprintf(name, sizeof name, "client-%d", i);
        clients_add(&clients, i, name);
    }
    for (int i = 4; i < MANY; i++) {
        snprintf(name, sizeof name, "client-%d", i);
        const struct client *found = clients_named(&clients, name);
        wrong += !found || found->seq != i || clients_at(&clients, i) != found;
    }
    is_int(wrong, 0, "each of many is found by its name and its number");
    ok(!clients_named(&clients, "client-3"), "no other is");
    is_int(clients_at(&clients, 4)->rank.weight, 1, "its weight is 1 at first");
}

/* Numbers of lost rows at the end. */
static void test_lost(void) {
    static struct clients lost;
    clients_add(&lost, 0, "");
    struct client *alice = clients_add(&lost, 1, "alice");
    ok(clients_is_only(&lost, alice), "nobody else ever had an item that waited");
    clients_reserve(&lost, 5);
    ok(lost.count == 5 && !clients_at(&lost, 4), "numbers of lost rows are kept free");
    struct client *new = clients_add(&lost, lost.count, "new");
    new->is_new = true;
    is_int(new->seq, 5, "a new client comes behind them");
    ok(!clients_is_only(&lost, alice), "whose were they?");
    clients_note(&lost, new);
    clients_undo(&lost);
    ok(lost.count == 5 && !clients_named(&lost, "new"), "also after it was undone");
    clients_free(&lost);
}

static void test_idle(void) {
    static struct clients idle;
    struct rank_clock clock = {.now = 10, .top = 50};
    struct client *alice = clients_add(&idle, 0, "");
    alice->rank.finish = 30;
    clients_idle(&idle, &clock);
    is_int(clock.now, 50, "while nothing waits virtual time is that of the greatest finish");
    clock = (struct rank_clock){.now = 10, .top = 50, .loose = true};
    clients_idle(&idle, &clock);
    is_int(clock.now, 30, "as it is after something was cancelled");
    clients_idle(&idle, &clock);
    ok(clock.now == 30 && clock.top == 30 && !clock.loose, "and nothing changes then");
    clients_free(&idle);
}

/* Changes a client, as an enqueue does. */
static void enqueue(struct client *client) {
    clients_note(&clients, client);
    client->counts.items[ITEM_WAITING]++;
    client->counts.remaining += 10;
    client->rank.finish += 10;
    client->work.enqueued++;
    client_enqueued(client);
}

static void test_batches(void) {
    struct client *old = clients_named(&clients, "client-7");
    enqueue(old);
    enqueue(old);
    is_int(clients.changed_count, 1, "a client that changes twice is noted once");
    clients_keep(&clients, NOW);
    is_int(clients.changed_count, 0, "nothing is noted after the batch");
    is_int(rates_sum(old->rates, NOW + 1000, 1).enqueued, 2, "its rates have what it did");
    enqueue(old);
    struct client *new = clients_add(&clients, clients.count, "new");
    new->is_new = true;
    enqueue(new);
    clients_undo(&clients);
    is_int(old->counts.items[ITEM_WAITING], 2, "a batch that is undone leaves the counts");
    is_int(old->counts.remaining, 20, "of items and work,");
    is_int(old->rank.finish, 20, "and the rank, as they were");
    ok(!clients_named(&clients, "new") && clients.count == MANY, "who came with it is gone");
    new = clients_add(&clients, 1, "in a gap");
    new->is_new = true;
    enqueue(new);
    clients_undo(&clients);
    ok(!clients_at(&clients, 1) && !clients_named(&clients, "in a gap") && clients.count == MANY,
       "also who came into a gap");
    clients_keep(&clients, NOW);
    is_int(rates_sum(old->rates, NOW + 1000, 1).enqueued, 2, "what it did there does not count");
    new = clients_add(&clients, clients.count, "new");
    new->is_new = true;
    clients_note(&clients, new);
    clients_keep(&clients, NOW);
    clients_undo(&clients);
    ok(clients_named(&clients, "new") == new, "who came with a batch that was kept stays");
}

/* How many of up to a hundred items a client may enqueue at a moment, one by one. */
static int enqueued_at(struct client *client, int64_t steady_ms, int64_t rate, int64_t burst) {
    int items = 0;
    while (items < 100 && client_may_enqueue(client, steady_ms, rate, burst) >= 1) {
        client_enqueued(client);
        items++;
    }
    return items;
}

static void test_rate(void) {
    struct client *it = clients_named(&clients, "client-8");
    is_int(client_may_enqueue(it, NOW, 2, 5), 5, "the whole burst at first");
    is_int(client_wait_ms(it, 5, 2), 0, "without a wait");
    is_int(enqueued_at(it, NOW, 2, 5), 5, "as many items, and no more");
    is_int(client_wait_ms(it, 1, 2), 500, "the next in half a second, at two a second");
    is_int(client_wait_ms(it, 5, 2), 2500, "all of them in five of these");
    is_int(enqueued_at(it, NOW + 499, 2, 5), 0, "not earlier");
    is_int(client_wait_ms(it, 1, 2), 1, "a wait is rounded up");
    is_int(enqueued_at(it, NOW + 500, 2, 5), 1, "then one");
    is_int(enqueued_at(it, NOW + 1400, 2, 5), 1, "what is left of a moment");
    is_int(enqueued_at(it, NOW + 1500, 2, 5), 1, "is not lost");
    is_int(enqueued_at(it, NOW + 3600 * 1000, 2, 5), 5,
           "a long pause gives no more than the burst");
    is_int(enqueued_at(it, INT64_MAX / 2, 1000000, 50), 50, "nor does a very long one");
    clients_named(&clients, "client-9")->tokens = -1000000; /* it had no rate, and enqueued */
    is_int(client_may_enqueue(clients_named(&clients, "client-9"), NOW, 1, 3), 3,
           "what it enqueued without a rate does not count");
}

static void test_rate_undone(void) {
    struct client *it = clients_named(&clients, "client-10");
    is_int(client_may_enqueue(it, NOW, 1, 3), 3, "three items at once");
    enqueue(it);
    clients_keep(&clients, NOW);
    is_int(client_may_enqueue(it, NOW, 1, 3), 2, "one less after an item");
    enqueue(it);
    enqueue(it);
    is_int(client_may_enqueue(it, NOW, 1, 3), 0, "none after two more");
    clients_undo(&clients);
    is_int(client_may_enqueue(it, NOW, 1, 3), 2, "which do not count when they are undone");
}

int main(void) {
    test_names();
    test_lost();
    test_idle();
    test_batches();
    test_rate();
    test_rate_undone();
    clients_free(&clients);
    return done_testing();
}
