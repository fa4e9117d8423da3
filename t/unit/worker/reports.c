/* Reports: when values go, renewals of much, several under way, an item that comes twice. */
#include "fake_mill.h"

enum {
    REPORTS = 8, /* reports that can be under way */
    SWIFT = 5,   /* with fewer under way, a value waits no longer than GATHER_MS */
    GATHER_MS = 2,
    RENEWING = 3 /* reports that a renewal is sent in at once */
};

/* Leases items whose renewal is due soon, without a report before all are there. */
static int lease_for_renewal(int leases) {
    int next = 1;
    for (int i = 0; i < leases; i++) {
        grant_many(next, ITEMS_AT_ONCE, SHORT, i < leases - 1 ? 60 : 0.9);
        next += ITEMS_AT_ONCE;
    }
    return next;
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

static void test_large_renewal(void) {
    static char seen[2000];
    struct connection *list[CONNECTIONS];
    start();
    int next = lease_for_renewal(3);
    int items = 0;
    expect("/results");
    int count = hold_all("/results", list);
    is_int(count, RENEWING, "three leases are renewed in three reports at once");
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
    is_int(hold_all("/results", list), RENEWING, "a renewal in three reports");
    for (int i = 0; i < RENEWING; i++)
        send_answer(list[i], "503 Service Unavailable", "");
    pump_times(20);
    is_int(node->report.retry.tries, 1, "calls that fail together make one wait");
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
    static char seen[PREFETCH_ITEMS + 1];
    struct connection *list[CONNECTIONS];
    int next = 1;
    int values = (REPORTS - 1) * ITEMS_AT_ONCE + 1;
    start();
    fill(&next);
    finish(values - 1);
    int count = hold_all("/results", list);
    is_int(count, REPORTS - 1, "many values go in several reports at once");
    for (int i = 0; i < count; i++)
        is_int(note_report(list[i], seen, sizeof seen), ITEMS_AT_ONCE, "of as many as are allowed");
    ok(each_once(seen, 1, values), "no value is in two of them");
    finish(1);
    is_int(hold_all("/results", list + count), 1, "one more report can be under way");
    note_report(list[count], seen, sizeof seen);
    finish(1);
    is_int(hold_all("/results", list + count + 1), 0, "but no others");
    answer(list[1], "503 Service Unavailable", "");
    is_int(node_unreported(node), values + 1, "one that fails is kept");
    judge_this(list[0], false);
    for (int i = 2; i <= count; i++)
        judge_this(list[i], false);
    while (node_unreported(node) > 0) {
        struct connection *connection = expect("/results");
        note_report(connection, seen, sizeof seen);
        judge_this(connection, false);
    }
    for (int i = ITEMS_AT_ONCE + 1; i <= 2 * ITEMS_AT_ONCE; i++)
        seen[i]--;
    ok(each_once(seen, 1, values + 2), "and comes again, but no other");
    stop();
}

/* How long the first of the values that wait may wait for others. */
static int64_t hold_ms(void) {
    return reports_due_ms(node) - node->first_ms;
}

/* A value is held back for no longer than that, over a long way too, and then goes with all that
 * came meanwhile. The lanes are busy all the time. */
static void test_gathering(void) {
    struct connection *list[CONNECTIONS];
    int next = 1;
    int under_way;
    start();
    fill(&next);
    for (under_way = 0; under_way < SWIFT; under_way++) {
        finish(1);
        nodes_collect(&shared);
        int64_t first_ms = node->first_ms;
        is_int(hold_ms(), GATHER_MS, "a first value waits for others, and no longer");
        finish(3);
        nodes_collect(&shared);
        ok(node->first_ms == first_ms && hold_ms() == GATHER_MS, "nor when they come");
        list[under_way] = expect("/results");
        is_int(items_of_report(), 4, "all go together");
        list[under_way]->held = true;
    }
    finish(1);
    nodes_collect(&shared);
    ok(hold_ms() > GATHER_MS, "then they are spread over the time that a report takes");
    while (under_way > 0)
        judge_this(list[--under_way], false);
    stop();
}

/* Leases two items and finishes the first, which is leased again between the value's end and its
 * way here: the mill has both. */
static void finish_and_lease_again(void) {
    grant_many(1, 2, SHORT, 60);
    mill.held.list[0].remaining = 0;
    items_add(&mill.finished, &mill.held.list[0]);
    uuid_generate_random(mill.held.list[0].lease);
    mill.held.list[0].remaining = SHORT;
    nodes_collect(&shared);
}

static void test_item_twice(void) {
    struct connection *connection;
    start();
    finish_and_lease_again();
    node->renew_ms = 0;
    connection = expect("/results");
    is_int(items_of_report(), 2, "a report has an item once, as a value or as a checkpoint");
    is_int(number_of(reported(1), "remaining"), 0, "rather as a value");
    answer(connection, "503 Service Unavailable\r\nRetry-After: 60", ""); /* not before the drain */
    node_drain(node);
    connection = expect("/results");
    is_int(items_of_report(), 2, "nor is it once more in what is given back");
    is_int(number_of(reported(1), "remaining"), 0, "it goes as a value");
    char lease[40];
    uuid_unparse_lower(mill.held.list[0].lease, lease);
    is_text(text_of(reported(1), "lease"), lease, "under the later lease");
    judge_this(connection, false);
    is_int(node_unreported(node), 0, "and that is all");
    stop();
}

/* Whether the report parsed last has item 1 as a value under that lease, and item 2 given back. */
static void is_value_and_release(const char *lease, const char *when) {
    is_int(items_of_report(), 2, when);
    is_int(number_of(reported(1), "remaining"), 0, "a value is no release");
    is_int(json_member(&server.json, reported(1), "release"), -1, "nor says that it is");
    is_text(text_of(reported(1), "lease"), lease, "it is under the later lease");
    ok(json_member(&server.json, reported(2), "release") >= 0, "the rest is given back");
}

/* The same with a drain that begins while the value is in a report that then fails. */
static void test_drain_meanwhile(void) {
    struct connection *first, *second;
    char lease[40];
    start();
    finish_and_lease_again();
    uuid_unparse_lower(mill.held.list[0].lease, lease);
    first = expect("/results");
    is_int(items_of_report(), 1, "a value is under way");
    first->held = true;
    node_drain(node);
    second = expect("/results");
    is_value_and_release(lease, "a drain gives the rest back");
    second->held = true;
    answer(first, "503 Service Unavailable", "");
    is_int(node_unreported(node), 2,
           "a value that failed need not be kept beside its second report");
    answer(second, "503 Service Unavailable", "");
    second = expect("/results");
    is_value_and_release(lease, "which comes again when it fails too");
    judge_this(second, false);
    is_int(node_unreported(node), 0, "and that is all that is drained");
    stop();
}

/* The same while reports fail and so go one at a time: what the drain adds waits for the value's
 * report, which fails again. */
static void test_drain_failing(void) {
    struct connection *connection;
    char lease[40];
    start();
    finish_and_lease_again();
    uuid_unparse_lower(mill.held.list[0].lease, lease);
    answer(expect("/results"), "503 Service Unavailable", "");
    connection = expect("/results");
    connection->held = true;
    node_drain(node);
    answer(connection, "503 Service Unavailable", "");
    connection = expect("/results");
    is_value_and_release(lease, "a value that fails in a drain is kept");
    judge_this(connection, false);
    is_int(node_unreported(node), 0, "until it is taken");
    stop();
}

int main(void) {
    log_open("test", "reports");
    log_set_level(LOG_LEVEL_ERROR);
    start_server();
    test_large_renewal();
    test_renewal_again();
    test_several_reports();
    test_gathering();
    test_item_twice();
    test_drain_meanwhile();
    test_drain_failing();
    stop_server();
    return done_testing();
}
