/*
 * Leasing ahead, renewals of much, and several requests under way. The mill is one of this test's,
 * in which items are finished when the test says so: what is checked is counted, not timed.
 */
#include "../worker/node_parts.h"
#include "fake_node.h"
#include "log.h"

enum {
    HAND_ITEMS = 4096, /* the most that a worker holds */
    SLOTS = 4,         /* lease requests, and reports, under way */
    SHORT = 20000,     /* iterations of an item */
    RATE = 130000000
};

struct mill {
    struct items held, finished;
    int dropped;
};

static struct mill mill;

struct mill *mill_open(int threads, const struct kernels *kernels, int check_percent) {
    (void)threads;
    (void)kernels;
    (void)check_percent;
    mill = (struct mill){.dropped = 0};
    return &mill;
}

void mill_close(struct mill *self) {
    items_free(&self->held);
    items_free(&self->finished);
}

int mill_lanes(const struct mill *self) {
    (void)self;
    return 32;
}

int64_t mill_rate(struct mill *self) {
    (void)self;
    return RATE;
}

bool mill_feed(struct mill *self, const struct item *item) {
    struct item *held = items_find(&self->held, item->id);
    if (held)
        uuid_copy(held->lease, item->lease);
    else
        items_add(&self->held, item);
    return !held;
}

void mill_collect(struct mill *self, struct items *finished) {
    for (int i = 0; i < self->finished.count; i++)
        items_add(finished, &self->finished.list[i]);
    self->finished.count = 0;
}

void mill_snapshot(struct mill *self, int index, struct items *list) {
    (void)index;
    for (int i = 0; i < self->held.count; i++)
        items_add(list, &self->held.list[i]);
}

struct mill_load mill_load(struct mill *self, int index, int64_t cap) {
    struct mill_load load = {.items = self->held.count, .all_items = self->held.count};
    (void)index;
    for (int i = 0; i < self->held.count; i++) {
        int64_t remaining = self->held.list[i].remaining;
        load.iterations += remaining < cap ? remaining : cap;
        load.long_items += remaining >= cap;
    }
    load.all_iterations = load.iterations;
    return load;
}

void mill_drop(struct mill *self, int index, const uuid_t id, const uuid_t lease) {
    (void)index;
    struct item *held = items_find(&self->held, id);
    if (!held || !same_id(held->lease, lease))
        return;
    *held = self->held.list[--self->held.count];
    self->dropped++;
}

/* Finishes the items that were fed first. */
static void finish(int count) {
    if (count > mill.held.count)
        count = mill.held.count;
    for (int i = 0; i < count; i++) {
        mill.held.list[i].remaining = 0;
        items_add(&mill.finished, &mill.held.list[i]);
    }
    items_drop_first(&mill.held, count);
}

static void start(void) {
    start_with(mill_open(1, NULL, 0));
}

/* Puts all requests for a path aside that come within some turns; *list gets them. */
static int hold_all(const char *path, struct connection *list[CONNECTIONS]) {
    int count = 0;
    for (int turn = 0; turn < 40; turn++) {
        struct connection *connection;
        pump();
        while ((connection = find_request(path)) != NULL) {
            connection->held = true;
            list[count++] = connection;
        }
    }
    return count;
}

/* Answers a lease request that was put aside with the next count items. */
static void give(struct connection *connection, int *next, int count, int64_t remaining) {
    struct buffer body = {0};
    parse_request(connection);
    put_grant(&body, *next, count, remaining, 60);
    *next += count;
    answer(connection, "200 OK", body.data);
    buffer_free(&body);
}

/* Fills the hand; returns how many items were asked for in all. */
static int fill(int *next) {
    struct connection *list[CONNECTIONS];
    int count;
    int asked = 0;
    while ((count = hold_all("/lease", list)) > 0) {
        for (int i = 0; i < count; i++) {
            parse_request(list[i]);
            int items = (int)number_of(0, "items");
            asked += items;
            give(list[i], next, items, SHORT);
        }
    }
    return asked;
}

static void test_several_leases(void) {
    struct connection *list[CONNECTIONS];
    char ids[SLOTS][200];
    int next = 1;
    int waiting = 0;
    int64_t iterations = 0;
    start();
    is_int(hold_all("/lease", list), 1, "an empty worker asks once");
    give(list[0], &next, ITEMS_AT_ONCE, SHORT);
    int count = hold_all("/lease", list);
    is_int(count, SLOTS, "after a full lease it asks several times at once");
    for (int i = 0; i < count && i < SLOTS; i++) {
        parse_request(list[i]);
        is_int(number_of(0, "items"), ITEMS_AT_ONCE, "each time for as many as are allowed");
        waiting += number_of(0, "wait") > 0;
        iterations += number_of(0, "iterations");
        snprintf(ids[i], sizeof ids[i], "%s", text_of(0, "request"));
        for (int j = 0; j < i; j++)
            ok(strcmp(ids[i], ids[j]) != 0, "with an id of its own");
    }
    is_int(waiting, 1, "only one of the requests waits");
    ok(iterations <= (int64_t)RATE * 60 / 4, "together for a quarter of the lease's work at most");
    answer(list[1], "503 Service Unavailable", "");
    hang_up(list[2]);
    for (int i = 0; i < 2; i++) {
        expect("/lease")->held = true;
        int seen = 0;
        for (int j = 0; j < SLOTS; j++)
            seen += strcmp(ids[j], text_of(0, "request")) == 0;
        is_int(seen, 1, "one without an outcome comes again under its id");
    }
    is_int(hold_all("/lease", list), 0, "and no others");
    stop();
}

static void test_full_hand(void) {
    struct connection *list[CONNECTIONS];
    int next = 1;
    start();
    is_int(fill(&next), HAND_ITEMS, "a node with enough is asked until the hand is full");
    is_int(mill.held.count, HAND_ITEMS, "which it is then");
    finish(ITEMS_AT_ONCE - 1);
    while (node_unreported(node) > 0 || mill.finished.count > 0)
        judge_this(expect("/results"), false);
    is_int(hold_all("/lease", list), 0, "a little room is not asked for");
    finish(1);
    judge_this(expect("/results"), false);
    is_int(hold_all("/lease", list), 1, "a request's worth is");
    parse_request(list[0]);
    is_int(number_of(0, "items"), ITEMS_AT_ONCE, "at once and whole");
    stop();
}

static void test_no_more(void) {
    struct connection *list[CONNECTIONS];
    int next = 1;
    start();
    hold_all("/lease", list);
    give(list[0], &next, 10, SHORT);
    is_int(hold_all("/lease", list), 1, "after a small lease it asks once");
    give(list[0], &next, ITEMS_AT_ONCE, SHORT);
    is_int(hold_all("/lease", list), SLOTS, "after a full one again several times");
    for (int i = 0; i < SLOTS; i++) {
        parse_request(list[i]);
        if (number_of(0, "wait") == 0)
            answer(list[i], "204 No Content", "");
    }
    is_int(hold_all("/lease", list), 0, "when the node has nothing more, only one goes on waiting");
    stop();
    start();
    hold_all("/lease", list);
    parse_request(list[0]);
    int64_t iterations = number_of(0, "iterations");
    give(list[0], &next, 3, iterations / 4);
    ok(hold_all("/lease", list) > 1, "a lease may also be full of iterations");
    stop();
}

/* Long chains take a lane each, and no more. */
static void test_long_items(void) {
    struct connection *list[CONNECTIONS];
    int next = 1;
    int count;
    start();
    while ((count = hold_all("/lease", list)) > 0 && next < 100) {
        for (int i = 0; i < count; i++)
            give(list[i], &next, 1, ITERATIONS_MAX);
    }
    is_int(mill.held.count, mill_lanes(&mill), "of endless items, one for each lane is leased");
    stop();
}

/* Notes the items of a report; returns how many they are. */
static int note_report(struct connection *connection, char *seen, int seen_size) {
    parse_request(connection);
    int token = json_first(&server.json, json_member(&server.json, 0, "items"));
    for (; token >= 0; token = json_next(&server.json, token)) {
        int number = (int)strtol(text_of(token, "id"), NULL, 10);
        if (number < seen_size)
            seen[number]++;
    }
    return items_of_report();
}

static bool each_once(const char *seen, int from, int to) {
    for (int i = from; i < to; i++) {
        if (seen[i] != 1)
            return false;
    }
    return true;
}

/* Leases items whose renewal is due soon, without a report before all are there. */
static int lease_for_renewal(int leases) {
    int next = 1;
    for (int i = 0; i < leases; i++) {
        grant_many(next, ITEMS_AT_ONCE, SHORT, i < leases - 1 ? 60 : 0.9);
        next += ITEMS_AT_ONCE;
    }
    return next;
}

static void test_large_renewal(void) {
    static char seen[2000];
    struct connection *list[CONNECTIONS];
    start();
    int next = lease_for_renewal(3);
    int items = 0;
    expect("/results");
    int count = hold_all("/results", list);
    is_int(count, SLOTS - 1, "three leases are renewed in three reports at once");
    for (int i = 0; i < count; i++) {
        int more = note_report(list[i], seen, sizeof seen);
        ok(more > 0 && more <= ITEMS_AT_ONCE, "each of no more than are allowed");
        items += more;
    }
    is_int(items, next - 1, "with all items");
    ok(each_once(seen, 1, next), "each of them once");
    finish(1);
    expect("/results");
    is_int(items_of_report(), 1, "a value need not wait for them");
    int settled = reported(1);
    is_int(settled >= 0 ? number_of(settled, "remaining") : -1, 0, "and is one");
    judge_this(find_request("/results"), false);
    node->renew_ms = 0;
    is_int(hold_all("/results", list + count), 0, "they are not renewed again until answered");
    for (int i = 0; i < count; i++)
        judge_this(list[i], true);
    is_int(mill.dropped, next - 2, "what is lost is dropped, but no value's checkpoint counts");
    stop();
}

static void test_renewal_again(void) {
    static char seen[2000];
    struct connection *list[CONNECTIONS];
    start();
    int next = lease_for_renewal(3);
    expect("/results");
    is_int(hold_all("/results", list), SLOTS - 1, "a renewal in three reports");
    for (int i = 0; i < SLOTS - 1; i++)
        send_answer(list[i], "503 Service Unavailable", "");
    pump_times(20);
    is_int(node->report.backoff.tries, 1, "calls that fail together make one wait");
    int items = 0;
    int reports = 0;
    while (items < next - 1) {
        struct connection *connection = expect("/results");
        items += note_report(connection, seen, sizeof seen);
        reports++;
        judge_this(connection, false);
    }
    is_int(reports, 3, "that fails comes again whole");
    is_int(items, next - 1, "with all items");
    ok(each_once(seen, 1, next), "each of them once");
    is_int(mill.dropped, 0, "and none is dropped");
    stop();
}

static void test_several_reports(void) {
    static char seen[HAND_ITEMS + 1];
    struct connection *list[CONNECTIONS];
    int next = 1;
    start();
    fill(&next);
    finish(SLOTS * ITEMS_AT_ONCE + 1);
    int count = hold_all("/results", list);
    is_int(count, SLOTS, "many values go in several reports at once");
    for (int i = 0; i < count; i++)
        is_int(note_report(list[i], seen, sizeof seen), ITEMS_AT_ONCE, "of as many as are allowed");
    ok(each_once(seen, 1, count * ITEMS_AT_ONCE + 1), "no value is in two of them");
    answer(list[1], "503 Service Unavailable", "");
    is_int(node_unreported(node), SLOTS * ITEMS_AT_ONCE + 1, "one that fails is kept");
    judge_this(list[0], false);
    judge_this(list[2], false);
    judge_this(list[3], false);
    while (node_unreported(node) > 0) {
        struct connection *connection = expect("/results");
        note_report(connection, seen, sizeof seen);
        judge_this(connection, false);
    }
    for (int i = ITEMS_AT_ONCE + 1; i <= 2 * ITEMS_AT_ONCE; i++)
        seen[i]--;
    ok(each_once(seen, 1, SLOTS * ITEMS_AT_ONCE + 2), "and comes again, but no other");
    stop();
}

/* A request on its long way to the node and back. */
struct travel {
    struct connection *connection;
    int arrives; /* in that round */
};

/* Notes the requests that have been sent in this round. */
static void depart(struct travel *travels, const char *path, int round, int rounds) {
    struct connection *connection;
    while ((connection = find_request(path)) != NULL) {
        int i = 0;
        while (travels[i].connection)
            i++;
        connection->held = true;
        travels[i] = (struct travel){.connection = connection, .arrives = round + rounds};
    }
}

/* Answers a request: leases are full, reports are taken. */
static void arrive(struct connection *connection, int *next) {
    struct buffer body = {0};
    parse_request(connection);
    if (items_of_report() >= 0) {
        put_verdict(&body, false);
    } else {
        int count = (int)number_of(0, "items");
        put_grant(&body, *next, count, SHORT, 60);
        *next += count;
    }
    send_answer(connection, "200 OK", body.data);
    buffer_free(&body);
}

/* A round stands for 10 ms at 6,500 items a second; the way there and back takes ten. */
static void test_long_way(void) {
    enum { ROUNDS = 150, WAY = 10, A_ROUND = 65, WARM = 60 };
    struct travel travels[CONNECTIONS] = {{.arrives = 0}};
    int next = 1;
    int least = INT32_MAX;
    int most = 0;
    start();
    for (int round = 0; round < ROUNDS; round++) {
        finish(A_ROUND);
        pump_times(4);
        depart(travels, "/lease", round, WAY);
        depart(travels, "/results", round, WAY);
        for (int i = 0; i < CONNECTIONS; i++) {
            if (travels[i].connection && travels[i].arrives <= round) {
                arrive(travels[i].connection, &next);
                travels[i].connection = NULL;
            }
        }
        pump_times(4);
        int held = mill.held.count + node_unreported(node);
        most = held > most ? held : most;
        if (round > WARM && mill.held.count < least)
            least = mill.held.count;
    }
    ok(least >= A_ROUND * WAY, "over a long way there is always work for the time of one (%d)",
       least);
    ok(most <= HAND_ITEMS, "and never more than a hand (%d)", most);
    stop();
}

int main(void) {
    log_open("test", "prefetch");
    log_set_level(LOG_LEVEL_ERROR);
    start_server();
    test_several_leases();
    test_full_hand();
    test_no_more();
    test_long_items();
    test_large_renewal();
    test_renewal_again();
    test_several_reports();
    test_long_way();
    stop_server();
    return done_testing();
}
