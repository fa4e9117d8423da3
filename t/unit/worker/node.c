/* The conversation with a node: one item, what goes wrong, and the end. */
#include "fake_node.h"
#include "hex.h"
#include "log.h"
#include "worker/kernels/sha512_openssl.h"

enum { LONG = 1000000000 };

/* Answers the lease request that waits with one item. */
static void grant(int number, int64_t remaining, double ttl) {
    grant_many(number, 1, remaining, ttl);
}

/* Answers the report that waits: all its items are taken, or all lost. */
static void judge(bool lost) {
    judge_this(expect("/results"), lost);
}

/* Whether what an item of the report says is its grant's chain moved forward. */
static bool is_forward(int token, int number, int64_t iterations) {
    uint8_t chain[1][CHAIN_SIZE];
    char hex[2 * CHAIN_SIZE + 1] = "";
    struct sha512_openssl *kernel = sha512_openssl_open();
    memset(chain[0], number % 10 * 17, CHAIN_SIZE);
    sha512_openssl_chains(kernel, chain, 1, iterations);
    sha512_openssl_close(kernel);
    hex_encode(hex, chain[0], CHAIN_SIZE);
    return strcmp(text_of(token, "chain"), hex) == 0;
}

/* The reference kernel alone, one chain a thread: what is tested is then the same on every machine.
 */
static const struct kernels *reference(void) {
    static struct kernels kernels;
    char why[200];
    if (kernels.count == 0 && !kernels_open(&kernels, "openssl", why, sizeof why))
        abort();
    return &kernels;
}

static void start(void) {
    start_with(mill_open(2, reference(), 1));
}

static void test_lease_request(void) {
    char first[200];
    start();
    struct connection *connection = expect("/lease");
    int worker = json_member(&server.json, 0, "worker");
    ok(strstr(connection->in.data, "\r\nAuthorization: Bearer a-token-of-this-test\r\n") != NULL,
       "the token goes with it");
    is_int(number_of(0, "protocol"), 1, "protocol");
    is_int(number_of(0, "items"), ITEMS_AT_ONCE, "an empty worker takes as many as are allowed");
    ok(number_of(0, "iterations") > 0, "iterations");
    is_int(number_of(0, "wait"), 25, "wait");
    is_text(text_of(worker, "name"), "tester", "name");
    is_text(text_of(worker, "kernel"), "openssl", "kernel");
    is_int(number_of(worker, "cores"), 2, "cores");
    ok(number_of(worker, "rate") > 0, "rate");
    snprintf(first, sizeof first, "%s", text_of(0, "request"));
    answer(connection, "503 Service Unavailable", "{}");
    connection = expect("/lease");
    is_text(text_of(0, "request"), first, "after a 503 the same request comes again");
    hang_up(connection);
    connection = expect("/lease");
    is_text(text_of(0, "request"), first, "after a broken connection too");
    answer(connection, "204 No Content", "");
    expect("/lease");
    ok(strcmp(text_of(0, "request"), first) != 0, "after an answer it is a new one");
    stop();
}

static void test_bad_grants(void) {
    static const char *const replies[] = {
        "", "{}", "[]", "{\"lease\":", "\"\xff\"", "{\"lease\":7,\"ttl\":60,\"items\":[]}"};
    char last[200] = "";
    start();
    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++) {
        struct connection *connection = expect("/lease");
        ok(strcmp(text_of(0, "request"), last) != 0, "reply %zu to a new request", i + 1);
        snprintf(last, sizeof last, "%s", text_of(0, "request"));
        answer(connection, "200 OK", replies[i]);
        is_int(mill_load(shared.mill, 0, 1).items, 0, "gives nothing to do");
    }
    grant(1, 10, 60);
    expect("/results");
    ok(is_forward(reported(1), 1, 10), "the conversation goes on after nonsense");
    judge(false);
    stop();
}

static void test_report_again(void) {
    start();
    grant(1, 10, 60);
    struct connection *connection = expect("/results");
    int token = reported(1);
    is_int(number_of(token, "remaining"), 0, "a value is reported");
    ok(is_forward(token, 1, 10), "and right");
    answer(connection, "503 Service Unavailable", "");
    grant(2, 20, 60);
    do {
        connection = expect("/results");
        if (items_of_report() < 2)
            answer(connection, "503 Service Unavailable", "");
    } while (items_of_report() < 2);
    ok(reported(1) >= 0 && reported(1) < reported(2), "a failed report comes again with what came "
                                                      "since");
    answer(connection, "200 OK", "{\"taken\":[],\"lost\":[]}");
    is_int(node_unreported(node), 2, "a reply that does not speak of the items counts as failed");
    judge(false);
    is_int(node_unreported(node), 0, "at last both are taken");
    ok(!node_is_busy(node), "and nothing is in hand");
    stop();
}

static void test_held_up(void) {
    start();
    grant(1, 10, 60);
    struct connection *report = expect("/results");
    answer(expect("/lease"), "204 No Content\r\nRetry-After: 3000", "");
    ok(!find_request("/lease"), "who is to come later does not ask at once");
    judge_this(report, false);
    expect("/lease");
    ok(true, "but when something was reported");
    stop();
}

static void test_refusals(void) {
    start();
    grant(1, 10, 60);
    answer(expect("/results"), "401 Unauthorized", "{\"detail\":\"no\"}");
    is_int(node_unreported(node), 1, "a value is kept when the token is wrong");
    ok(node_due_ms(node) > clock_steady_ms(), "and tried again later");
    stop();
    start();
    grant(1, 10, 60);
    answer(expect("/results"), "400 Bad Request", "{\"detail\":\"no\"}");
    is_int(node_unreported(node), 0, "a value that the node calls wrong is dropped");
    stop();
    start();
    grant(1, 10, 60);
    answer(expect("/results"), "400 Bad Request", "{\"type\":\"urn:hashmill:problem:protocol\"}");
    is_int(node_unreported(node), 1, "a value is kept when the protocol is another");
    stop();
}

static void test_renewal(void) {
    start();
    grant(1, LONG, 6);
    int64_t begin_ms = clock_steady_ms();
    expect("/results");
    int64_t waited_ms = clock_steady_ms() - begin_ms;
    ok(waited_ms < 5000, "a lease of 6 s is renewed in time");
    int64_t remaining = number_of(reported(1), "remaining");
    ok(remaining > 0 && remaining < LONG, "with a checkpoint");
    ok(is_forward(reported(1), 1, LONG - remaining), "that is right");
    is_text(text_of(reported(1), "release"), "(none)", "and gives nothing back");
    judge(false);
    expect("/results");
    ok(number_of(reported(1), "remaining") < remaining, "and again");
    judge(true);
    ok(!node_is_busy(node), "what is lost is dropped");
    stop();
}

static void test_leased_again(void) {
    char first[200];
    start();
    grant(1, LONG, 1.2);
    expect("/results");
    snprintf(first, sizeof first, "%s", text_of(reported(1), "lease"));
    int64_t remaining = number_of(reported(1), "remaining");
    grant(1, LONG, 1.2);
    judge(true);
    ok(node_is_busy(node), "what was lost under one lease is kept under the next");
    expect("/results");
    ok(strcmp(text_of(reported(1), "lease"), first) != 0, "the new lease is renewed");
    ok(number_of(reported(1), "remaining") < remaining, "with all the progress");
    judge(false);
    stop();
}

static void test_drain(void) {
    start();
    grant(1, LONG, 60);
    while (!find_request("/lease"))
        pump();
    mill_halt(shared.mill);
    pump();
    node_drain(node);
    expect("/results");
    bool release = false;
    json_boolean(&server.json, json_member(&server.json, reported(1), "release"), &release);
    ok(release, "a drain gives the item back");
    ok(is_forward(reported(1), 1, LONG - number_of(reported(1), "remaining")), "with its progress");
    judge(false);
    is_int(node_unreported(node), 0, "the node has been told of everything");
    for (int i = 0; i < 50; i++)
        pump();
    ok(!find_request("/lease"), "no lease is asked for any more");
    stop();
}

static void test_command(void) {
    start();
    grant(1, 10, 60);
    struct connection *connection = expect("/results");
    answer(connection, "200 OK",
           "{\"taken\":[\"00000001-0000-4000-8000-000000000000\"],\"lost\":[],"
           "\"command\":\"drain\"}");
    ok(shared.drain_requested, "a node can ask for a drain");
    stop();
}

int main(void) {
    log_open("test", "node");
    log_set_level(LOG_LEVEL_ERROR);
    start_server();
    test_lease_request();
    test_bad_grants();
    test_report_again();
    test_held_up();
    test_refusals();
    test_renewal();
    test_leased_again();
    test_drain();
    test_command();
    stop_server();
    return done_testing();
}
