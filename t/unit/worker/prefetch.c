/* Leasing ahead: how much, in how many requests, over how long a way. */
#include "fake_mill.h"

enum { LEASES = 4 /* lease requests that can be under way */ };

static void test_several_leases(void) {
    struct connection *list[CONNECTIONS];
    char ids[LEASES][200];
    int next = 1;
    int waiting = 0;
    int64_t iterations = 0;
    start();
    is_int(hold_all("/lease", list), 1, "an empty worker asks once");
    give(list[0], &next, ITEMS_AT_ONCE, SHORT);
    int count = hold_all("/lease", list);
    is_int(count, LEASES, "after a full lease it asks several times at once");
    for (int i = 0; i < count && i < LEASES; i++) {
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
        for (int j = 0; j < count; j++)
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
    is_int(fill(&next), PREFETCH_ITEMS, "a node with enough is asked until the hand is full");
    is_int(mill.held.count, PREFETCH_ITEMS, "which it is then");
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
    int count = hold_all("/lease", list);
    is_int(count, LEASES, "after a full one again several times");
    for (int i = 0; i < count; i++) {
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

/* Answers all lease requests with an item each, as long as they come and fewer than most items have
 * been given. Returns how many were given. */
static int give_each(int *next, int most, int64_t remaining) {
    struct connection *list[CONNECTIONS];
    int first = *next;
    int count;
    while (*next - first < most && (count = hold_all("/lease", list)) > 0) {
        for (int i = 0; i < count; i++)
            give(list[i], next, 1, remaining);
    }
    return *next - first;
}

/* Long chains take a lane each; a few more may come where short ones are asked for. */
static void test_long_items(void) {
    int next = 1;
    start();
    int lanes = mill_lanes(&mill);
    int longs = give_each(&next, lanes, ITERATIONS_MAX);
    ok(longs >= lanes, "every lane has an endless item");
    ok(give_each(&next, 20, SHORT) >= 20, "short ones are asked for all the same");
    longs += give_each(&next, 100, ITERATIONS_MAX);
    ok(longs <= lanes + lanes / 8 + LEASES, "until that has brought an eighth more long ones");
    stop();
}

/* Whether a lease request is still without its answer. */
static bool lease_waits(const char *id) {
    for (int i = 0; i < LEASES; i++) {
        char text[40];
        uuid_unparse_lower(node->requests[i].id, text);
        if (node->requests[i].open && strcmp(text, id) == 0)
            return true;
    }
    return false;
}

/* An item whose value is in the mill, but not collected yet, is leased again: its lease had lapsed.
 */
static void test_leased_again_when_finished(void) {
    char lease[200];
    struct buffer body = {0};
    start();
    grant_many(1, 1, SHORT, 60);
    struct connection *connection = expect("/lease");
    snprintf(lease, sizeof lease, "%s", text_of(0, "request"));
    put_grant(&body, 1, 1, SHORT, 60);
    finish(1);
    send_answer(connection, "200 OK", body.data);
    while (lease_waits(lease))
        http_wait(shared.http, NULL, 0, 1);
    is_int(mill.held.count, 0, "what is finished is not computed again");
    connection = expect("/results");
    is_int(items_of_report(), 1, "it is reported once");
    is_text(text_of(reported(1), "lease"), lease, "under the later lease");
    judge_this(connection, false);
    is_int(node_unreported(node), 0, "which is all");
    buffer_free(&body);
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
    ok(most <= PREFETCH_ITEMS, "and never more than a hand (%d)", most);
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
    test_leased_again_when_finished();
    test_long_way();
    stop_server();
    return done_testing();
}
