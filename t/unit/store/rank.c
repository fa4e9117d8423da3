/* The order between clients: shares by weight, the order of each client's own items, and that
 * nobody waits long for others, whatever they enqueue. */
#include "fcgi/store/rank.h"

#include "scheduler.h"
#include "tap.h"

static const int64_t hour = 3600 * INT64_C(1000000000) / PENALTY_NS; /* of iterations */

/* The sizes of a client's items: equal, any, or each a little shorter than the one before. */
enum sizes { EQUAL, RANDOM, FALLING };

static const char *const size_names[] = {"equal", "random", "falling"};

static int64_t size_of(enum sizes sizes, int number) {
    if (sizes == EQUAL)
        return 100000;
    return sizes == RANDOM ? any(1000, 1000000) : 1000000000 - INT64_C(10001) * number;
}

/* --- Shares --- */

/* The greatest deviation of what clients got from their weights' shares, in thousandths of these.
 */
static int64_t deviation(void) {
    int64_t all = 0, weights = 0, worst = 0;
    for (int i = 0; i < queue.client_count; i++) {
        all += queue.served[i];
        weights += queue.clients[i].weight;
    }
    for (int i = 0; i < queue.client_count; i++) {
        int64_t wanted = all / weights * queue.clients[i].weight;
        int64_t off = 1000 * llabs(queue.served[i] - wanted) / wanted;
        worst = off > worst ? off : worst;
    }
    return worst;
}

/* Leases for as long as all clients have items that wait. */
static void lease_while_all_wait(void) {
    for (;;) {
        int item = lease();
        if (queue.waiting[queue.items[item].client] == 0)
            return;
    }
}

static void test_two(int64_t weight, int64_t other, enum sizes sizes, enum sizes other_sizes,
                     bool small_comes_first) {
    const int small = 1000;
    new_queue(2, 1);
    queue.clients[0].weight = weight;
    queue.clients[1].weight = other;
    for (int i = 0; i < small && small_comes_first; i++)
        enqueue(1, size_of(other_sizes, i));
    for (int i = 0; i < 100 * small; i++) {
        queue.clock_ms += i % 10 == 0;
        enqueue(0, size_of(sizes, i));
    }
    for (int i = 0; i < small && !small_comes_first; i++)
        enqueue(1, size_of(other_sizes, i));
    lease_while_all_wait();
    ok(deviation() <= 50,
       "weights %d:%d, %s and %s sizes, the hundredfold backlog comes %s: %d thousandths off",
       (int)weight, (int)other, size_names[sizes], size_names[other_sizes],
       small_comes_first ? "last" : "first", (int)deviation());
}

static void test_backlogs(void) {
    static const int64_t weights[][2] = {{1, 1}, {1, 3}, {3, 1}};
    for (int i = 0; i < 3; i++) {
        for (int first = 0; first < 2; first++) {
            test_two(weights[i][0], weights[i][1], EQUAL, EQUAL, first);
            test_two(weights[i][0], weights[i][1], RANDOM, RANDOM, first);
            test_two(weights[i][0], weights[i][1], RANDOM, EQUAL, first);
            test_two(weights[i][0], weights[i][1], EQUAL, RANDOM, first);
        }
    }
    /* Big items, so many of the other's: for a thousand of equal size. */
    new_queue(2, 1);
    for (int i = 0; i < 90000; i++)
        enqueue(0, size_of(FALLING, i));
    for (int i = 0; i < 90000; i++)
        enqueue(1, 1000000);
    lease_while_all_wait();
    ok(queue.served[0] - queue.served[1] <= INT64_C(4) * 1000000000,
       "each item a little shorter than the one before: no more than four items too much");
}

/* Clients who replace each item that is leased, at once or a while later. */
static void test_flow(const int64_t *weights, int count, enum sizes sizes) {
    new_queue(count, 2);
    for (int i = 0; i < count; i++) {
        queue.clients[i].weight = weights ? weights[i] : 1;
        for (int n = 0; n < 20; n++)
            enqueue(i, size_of(sizes, n));
    }
    for (int n = 0; n < 300 * count; n++) {
        int client = queue.items[lease()].client;
        queue.clock_ms += any(0, 3);
        enqueue(client, size_of(sizes, n));
    }
    ok(deviation() <= 50, "%d clients who go on, %s sizes: %d thousandths off", count,
       size_names[sizes], (int)deviation());
}

static void test_flows(void) {
    static const int64_t three[] = {1, 2, 5};
    test_flow(three, 3, EQUAL);
    test_flow(three, 3, RANDOM);
    test_flow(NULL, 1000, EQUAL);
    test_flow(NULL, 1000, RANDOM);
    new_queue(3, 3);
    for (int i = 0; i < 100; i++)
        enqueue(2, any(1000, 1000000));
    int leased = 0;
    while (lease() >= 0)
        leased++;
    is_int(leased, 100, "who is alone gets everything");
}

/* --- A client's own items --- */

static void test_overtaking(int clients) {
    new_queue(clients, 4);
    int first = enqueue(0, 1000000000);
    enqueue(0, 10);
    enqueue(0, 10);
    while (lease() >= 0)
        continue;
    for (int i = first; i < 3; i++)
        push(i);
    queue.clock_ms += 3700 * 1000;
    int late = enqueue(0, 10);
    bool good = true;
    const int order[] = {1, 2, first, late};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        good = lease() == order[i] && good;
    ok(good, "short ones overtake a long one, but not later, after they were given back");
    new_queue(clients, 4);
    for (int i = 0; i < 20; i++)
        enqueue(0, 1000000000);
    int item = enqueue(0, 1000);
    ok(lease() == item, "a short one overtakes all long ones that came just before");
    item = enqueue(0, 1000);
    enqueue(0, 500000000);
    ok(lease() == item, "and another one");
    queue.clock_ms += 101 * 1000;
    ok(leased_before(enqueue(0, 1000)) == 21, "but none that came more than 100 s before");
}

/* Leases one and checks that it comes after all of its size that its client had leased. */
static int wrong_order(int last[][4], const int64_t *sizes) {
    int item = lease(), size = 0;
    if (item < 0)
        return 0;
    while (sizes[size] != queue.items[item].iterations)
        size++;
    int *before = &last[queue.items[item].client][size];
    int wrong = item < *before;
    *before = item;
    return wrong;
}

/* One of the things that happen. */
static int happen(int last[][4], const int64_t *sizes) {
    int64_t what = any(0, 999);
    struct rank_client *client = &queue.clients[any(0, queue.client_count - 1)];
    int wrong = 0;
    queue.clock_ms += any(0, 9) == 0 ? any(0, 2000) : 0;
    if (what < 480)
        enqueue((int)any(0, queue.client_count - 1), sizes[any(0, 3)]);
    else if (what < 900)
        wrong = wrong_order(last, sizes);
    else if (what < 990 && queue.count > 0) {
        int item = queue.count - 1 - (int)any(0, queue.count < 50 ? queue.count - 1 : 49);
        if (queue.items[item].waits)
            cancel(item);
    } else if (what < 994)
        start_again((int)(client - queue.clients));
    else if (what < 997)
        client->weight = any(1, 5);
    else if (what == 997)
        queue.clock_ms += 4000 * 1000;
    else if (what == 998)
        while (queue.all_waiting > 0)
            wrong += wrong_order(last, sizes);
    return wrong;
}

static void test_order(void) {
    static const int64_t sizes[] = {10, 1000000, 1000000000, 40000000000};
    int wrong = 0;
    for (int seed = 1; seed <= 40; seed++) {
        int last[4][4] = {0};
        new_queue(seed % 4 + 1, (uint64_t)seed);
        for (int step = 0; step < 20000; step++)
            wrong += happen(last, sizes);
    }
    is_int(wrong, 0, "items of one client and one size come in their order, whatever happens");
}

/* --- Who has little --- */

static int64_t heavy_size(int kind, int number) {
    switch (kind) {
    case 0:
        return any(1000, 1000000);
    case 1:
        return size_of(FALLING, number);
    case 2:
        return any(2, 100);
    case 3: /* shorts raise the place by as much as the next long one is shorter */
        return number % 2 ? 10000 : 1000000000 - INT64_C(5000) * number;
    default:
        return any(hour / 2, 2 * hour);
    }
}

/* The greatest number of items before one of a light client, in thousandths of the clients. */
static int64_t worst_wait(int kind, int clients, bool they_go_on) {
    int64_t worst = 0;
    for (int turn = 0; turn < 30; turn++) {
        new_queue(clients, (uint64_t)turn + 1);
        for (int i = 0; i < 400; i++)
            for (int client = 1; client < (clients > 1 ? clients : 2); client++)
                enqueue(client, heavy_size(kind, i));
        for (int64_t n = any(0, 300); n > 0; n--) {
            int client = queue.items[lease()].client;
            if (they_go_on)
                enqueue(client, heavy_size(kind, 400));
        }
        queue.client_count = clients > 1 ? clients : 2;
        int64_t before = leased_before(enqueue(0, turn % 2 ? 10 : 1000000000));
        worst =
            before * 1000 / queue.client_count > worst ? before * 1000 / queue.client_count : worst;
    }
    return worst;
}

static void test_light(void) {
    for (int kind = 0; kind < 5; kind++) {
        int64_t worst = 0;
        for (int clients = 2; clients <= 50; clients += 12) {
            for (int go_on = 0; go_on < 2; go_on++) {
                int64_t wait = worst_wait(kind, clients, go_on);
                worst = wait > worst ? wait : worst;
            }
        }
        ok(worst <= 2000, "a light client comes at once, heavy sizes of kind %d: %d thousandths",
           kind, (int)worst);
    }
    new_queue(2, 5);
    int first = enqueue(0, 1000000);
    for (int i = 0; i < 400; i++)
        enqueue(1, 1000000);
    ok(leased_before(first) <= 4, "also when its item came first, while nothing else waited");
}

/* The first client's backlog is all that there is, and the only one ever. */
static void test_newcomer(void) {
    for (int kind = 0; kind < 5; kind++) {
        new_queue(1, 6);
        for (int i = 0; i < 4000; i++)
            enqueue(0, heavy_size(kind, i));
        for (int i = 0; i < 1000; i++)
            lease();
        rank_load(&queue.clients[1], 0, 1);
        queue.client_count = 2;
        is_int(leased_before(enqueue(1, 1000000000)), 0, "a second client comes at once");
    }
}

/* --- The past --- */

static void test_idle(void) {
    new_queue(2, 7);
    for (int i = 0; i < 1000; i++) {
        enqueue(0, 1000000);
        lease();
    }
    for (int i = 0; i < 200; i++) {
        enqueue(1, 1000000);
        enqueue(0, 1000000);
    }
    memset(queue.served, 0, sizeof queue.served);
    for (int i = 0; i < 200; i++)
        lease();
    ok(deviation() <= 50, "who used an idle system is not punished");
}

static void test_late(void) {
    new_queue(2, 8);
    for (int i = 0; i < 2000; i++)
        enqueue(0, 1000000);
    for (int i = 0; i < 1000; i++)
        lease();
    for (int i = 0; i < 1000; i++)
        enqueue(1, 1000000);
    memset(queue.served, 0, sizeof queue.served);
    for (int i = 0; i < 1000; i++)
        lease();
    ok(deviation() <= 50, "who comes late has no credit");
}

static void test_cancelled(void) {
    new_queue(2, 9);
    for (int i = 0; i < 2000; i++)
        enqueue(0, any(1000, 1000000));
    for (int i = 0; i < 100; i++)
        enqueue(1, 1000000);
    for (int i = 0; i < 50; i++)
        lease();
    for (int i = 0; i < queue.count; i++)
        if (queue.items[i].client == 0 && queue.items[i].waits)
            cancel(i);
    ok(leased_before(enqueue(0, 1000000)) <= 2, "who cancelled a big backlog comes as a new one");
}

/* Who cancels all but the last of much work, again and again, does not bring virtual time to its
 * end. */
static void test_cancelled_much(void) {
    static const int64_t huge = 9007199254740991;
    new_queue(2, 13);
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 100; i++)
            enqueue(0, huge);
        for (int i = 0; i < queue.count - 1; i++)
            if (queue.items[i].waits)
                cancel(i);
        lease();
    }
    enqueue(0, 10);
    ok(queue.clock.now <= 20 * huge, "what is cancelled moves no virtual time");
}

/* One who has a huge item, and after each lease cancels it and enqueues it again: what overtakes it
 * overtakes nothing that was cancelled before. */
static void test_cancelled_again(int64_t huge) {
    enum { LEASES = 2000, SIZE = 20000000 };
    new_queue(2, 14);
    int kept = enqueue(0, huge);
    for (int i = 0; i < 5; i++)
        enqueue(1, SIZE);
    for (int i = 0; i < LEASES; i++) {
        enqueue(0, SIZE);
        queue.clock_ms += 5001;
        int next = lease();
        if (queue.items[next].client == 1) {
            enqueue(1, SIZE);
            continue;
        }
        if (queue.items[kept].waits)
            cancel(kept);
        kept = enqueue(0, huge);
    }
    int64_t more = queue.served[0] / SIZE - queue.served[1] / SIZE;
    ok(more <= 5, "cancelling an item of %lld again and again brings nothing: %lld more",
       (long long)huge, (long long)more);
}

/* One with a great many items that are hardly work, and one with a few that are. */
static void test_tiny(void) {
    enum { TINY = 60000, WORK = 3000000, ITEMS = 8 };
    new_queue(2, 15);
    for (int i = 0; i < TINY; i++)
        enqueue(0, 2);
    int last = 0;
    for (int i = 0; i < ITEMS; i++)
        last = enqueue(1, WORK);
    int before = leased_before(last);
    ok(before <= ITEMS * (WORK / RANK_LEAST + 1), "tiny items count for what they cost: %d before",
       before);
}

/* --- Nothing starves --- */

/* The work of a client's own short items that come before a long one, at one moment. */
static int64_t own_before(int clients, int64_t iterations, int64_t size) {
    new_queue(clients, 10);
    int item = enqueue(0, iterations);
    while (queue.items[item].waits && queue.count < ITEMS_MOST) {
        enqueue(0, size);
        lease();
    }
    return queue.served[0] - (queue.items[item].waits ? 0 : iterations);
}

/* Many who replace each item that is leased. */
static void test_many_others(void) {
    enum { OTHERS = 100 };
    new_queue(OTHERS + 1, 11);
    for (int i = 1; i <= OTHERS; i++)
        for (int n = 0; n < 50; n++)
            enqueue(i, any(2, 1000000));
    for (int n = 0; n < 5; n++)
        enqueue(0, 1000000);
    int item = queue.count - 1;
    /* Of each: until the finish of the item before, what it overtakes with, and one item. */
    int64_t bound = OTHERS * (INT64_C(4) * 1000000 + 2 * 1000000) + INT64_C(4) * 1000000;
    int64_t work = 0;
    while (queue.items[item].waits && queue.count < ITEMS_MOST) {
        int client = queue.items[lease()].client;
        queue.clock_ms += any(0, 1);
        for (int more = 0; more < 2 && client > 0; more++)
            enqueue(client, any(2, 1000000));
    }
    for (int i = 0; i <= OTHERS; i++)
        work += queue.served[i];
    ok(!queue.items[item].waits && work <= bound, "nor do a hundred others: %lld of %lld",
       (long long)work, (long long)bound);
}

static void test_starving(void) {
    ok(own_before(1, 1000000000, 10000) <= 1000000000 + 10000,
       "short items delay one of their client by no more than its own work");
    ok(own_before(1, 1000 * hour, hour / 1000) <= hour + hour / 1000,
       "which counts for an hour at most");
    ok(own_before(2, 1000000000, 10000) <= 1000000000 + 10000, "also with another client");
    test_many_others();
}

/* --- Odd values --- */

static void test_limits(void) {
    static const int64_t odd[] = {INT64_MIN, -1, 0, 1, INT64_C(1) << 62, INT64_MAX};
    static const int64_t end = INT64_C(1) << 62;
    int outside = 0;
    for (int i = 0; i < 6 * 6 * 6 * 6; i++) {
        struct rank_clock clock = {rank_sane(odd[i % 6]), rank_sane(odd[i / 6 % 6]), i % 2};
        struct rank_client client;
        rank_load(&client, odd[i / 36 % 6], odd[i % 6]);
        rank_load_item(&client,
                       &(struct rank_item){.clock_ms = odd[i % 6], .iterations = odd[i / 6 % 6]},
                       odd[i / 216], 1000);
        rank_loaded(&clock, &client);
        outside += client.weight < 1 || client.weight > 1000;
        for (int n = 0; n < 100; n++) {
            const struct rank_item item = {.clock_ms = n,
                                           .iterations = n % 3 ? 10000000000000 - n : INT64_MAX,
                                           .penalty_ns = n % 5 ? 1000000000 : 0,
                                           .own_wait = n % 7 != 0,
                                           .others_wait = n % 2,
                                           .only_client = i % 2};
            int64_t rank = rank_enqueue(&clock, &client, &item);
            outside += rank < 0 || rank > end || client.finish < 0 || client.finish > end;
            if (n % 4 == 0)
                rank_cancelled(&clock, &client, &item, odd[n % 6]);
            if (n % 9 == 0)
                rank_leased(&clock, &client, rank);
        }
        clock.top = client.finish;
        rank_idle(&clock);
        outside += clock.now < 0 || clock.now > end || clock.top > end;
    }
    is_int(outside, 0, "whatever a database has, ranks are from 0 to the end of virtual time");
    new_queue(2, 12);
    queue.clock.now = queue.clock.top = end;
    for (int i = 0; i < 100; i++)
        enqueue(i % 2, any(2, 1000000));
    int wrong = 0;
    for (int i = 0; i < 100; i++)
        wrong += lease() != i;
    is_int(wrong, 0, "at its end all is first in, first out");
}

int main(void) {
    test_backlogs();
    test_flows();
    test_overtaking(1);
    test_overtaking(2);
    test_order();
    test_light();
    test_newcomer();
    test_idle();
    test_late();
    test_cancelled();
    test_cancelled_much();
    test_cancelled_again(1000000000);
    test_cancelled_again(10000000000000);
    test_tiny();
    test_starving();
    test_limits();
    return done_testing();
}
