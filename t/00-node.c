/*
 * The conversation with a node, over real HTTP with a node that this test plays: one thread, which
 * pumps the conversation until the request that the test expects has come, and answers it.
 */
#include "../worker/node.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../worker/sha512_openssl.h"
#include "clock.h"
#include "hex.h"
#include "log.h"
#include "tap.h"

enum { CONNECTIONS = 4, WAIT_MS = 20000, LONG = 1000000000, REQUEST_MAX = 300000 };

/* The node's side of a connection, and the request that has come on it. */
struct connection {
    int fd; /* -1: unused */
    struct buffer in;
    bool whole; /* in holds a whole request that is not answered yet */
};

static struct {
    int fd;
    struct connection connections[CONNECTIONS];
    struct json json; /* the body of the request expected last */
    char body[REQUEST_MAX];
} server;

static struct node_shared shared;
static struct node *node;
static char url[64];

static void start_server(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    server.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (bind(server.fd, (struct sockaddr *)&address, size) != 0 || listen(server.fd, 8) != 0 ||
        getsockname(server.fd, (struct sockaddr *)&address, &size) != 0)
        abort();
    snprintf(url, sizeof url, "http://127.0.0.1:%d", ntohs(address.sin_port));
    for (int i = 0; i < CONNECTIONS; i++)
        server.connections[i].fd = -1;
}

/* Notes whether a whole request has come. */
static void check_whole(struct connection *connection) {
    buffer_append(&connection->in, "", 1);
    connection->in.length--;
    const char *end = strstr(connection->in.data, "\r\n\r\n");
    const char *length = strstr(connection->in.data, "Content-Length: ");
    if (end && length)
        connection->whole = connection->in.length == (size_t)(end - connection->in.data) + 4 +
                                                         strtoul(length + 16, NULL, 10);
}

static void hang_up(struct connection *connection) {
    close(connection->fd);
    connection->fd = -1;
    connection->whole = false;
    buffer_clear(&connection->in);
}

/* Accepts and reads what there is. */
static void serve(void) {
    char bytes[65536];
    for (int i = 0; i < CONNECTIONS; i++) {
        struct connection *connection = &server.connections[i];
        if (connection->fd < 0) {
            connection->fd = accept4(server.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
            continue;
        }
        ssize_t length = read(connection->fd, bytes, sizeof bytes);
        if (length > 0)
            buffer_append(&connection->in, bytes, (size_t)length);
        if (length == 0)
            hang_up(connection);
        else if (length > 0)
            check_whole(connection);
    }
}

/* Moves the conversation on a little, as the worker's loop does. */
static void pump(void) {
    struct items finished = {0};
    if (node)
        node_step(node);
    http_wait(shared.http, NULL, 0, 1);
    mill_collect(shared.mill, &finished);
    for (int i = 0; i < finished.count; i++)
        node_take_value(node, &finished.list[i]);
    items_free(&finished);
    serve();
}

/* The connection on which a whole request for that path waits, or NULL. */
static struct connection *find_request(const char *path) {
    for (int i = 0; i < CONNECTIONS; i++) {
        struct connection *connection = &server.connections[i];
        if (connection->whole && strncmp(connection->in.data + 5, path, strlen(path)) == 0)
            return connection;
    }
    return NULL;
}

/* Waits for a request and parses its body. */
static struct connection *expect(const char *path) {
    const char *why;
    int64_t until_ms = clock_steady_ms() + WAIT_MS;
    struct connection *connection;
    while (!(connection = find_request(path))) {
        if (clock_steady_ms() > until_ms) {
            printf("Bail out! no request for %s came\n", path);
            exit(1);
        }
        pump();
    }
    const char *body = strstr(connection->in.data, "\r\n\r\n") + 4;
    snprintf(server.body, sizeof server.body, "%s", body);
    if (!json_parse(&server.json, server.body, strlen(server.body), &why))
        ok(false, "the request is JSON: %s", why);
    return connection;
}

/* Answers, and pumps until the conversation has seen it. */
static void answer(struct connection *connection, const char *status, const char *body) {
    struct buffer out = {0};
    buffer_printf(&out, "HTTP/1.1 %s\r\n", status);
    if (strncmp(status, "204", 3) != 0)
        buffer_printf(&out, "Content-Length: %zu\r\n", strlen(body));
    buffer_printf(&out, "\r\n%s", body);
    if (write(connection->fd, out.data, out.length) != (ssize_t)out.length)
        abort();
    buffer_free(&out);
    buffer_clear(&connection->in);
    connection->whole = false;
    for (int i = 0; i < 20; i++)
        pump();
}

/* A text member of an object in the last request. */
static const char *text_of(int object, const char *name) {
    static char texts[4][200];
    static int next;
    char *text = texts[next++ % 4];
    if (!json_string(&server.json, json_member(&server.json, object, name), text, 200))
        snprintf(text, 200, "(none)");
    return text;
}

static int64_t number_of(int object, const char *name) {
    int64_t number = -1;
    json_integer(&server.json, json_member(&server.json, object, name), 0, INT64_MAX, &number);
    return number;
}

/* The items of the last report; -1 when it has none. */
static int items_of_report(void) {
    return json_array_size(&server.json, json_member(&server.json, 0, "items"));
}

/* The place of an item in the last report, by its number, or -1. */
static int reported(int number) {
    char id[40];
    snprintf(id, sizeof id, "%08d-0000-4000-8000-000000000000", number);
    int token = json_first(&server.json, json_member(&server.json, 0, "items"));
    while (token >= 0 && strcmp(text_of(token, "id"), id) != 0)
        token = json_next(&server.json, token);
    return token;
}

/* An item as a grant has it; its chain is its number's digit all over. */
static void put_item(struct buffer *body, int number, int64_t remaining) {
    char chain[2 * CHAIN_SIZE + 1];
    memset(chain, '0' + number % 10, sizeof chain - 1);
    chain[sizeof chain - 1] = '\0';
    buffer_printf(body,
                  "{\"id\":\"%08d-0000-4000-8000-000000000000\",\"chain\":\"%s\","
                  "\"remaining\":%lld,\"new\":[{}]}",
                  number, chain, (long long)remaining);
}

/* Answers the lease request that waits with one item. */
static void grant(int number, int64_t remaining, double ttl) {
    struct connection *connection = expect("/lease");
    struct buffer body = {0};
    buffer_printf(&body, "{\"lease\":\"%s\",\"ttl\":%g,\"items\":[", text_of(0, "request"), ttl);
    put_item(&body, number, remaining);
    buffer_append(&body, "]}", 3);
    answer(connection, "200 OK", body.data);
    buffer_free(&body);
}

/* Answers the report that waits: all its items are taken, or all lost. */
static void judge(bool lost) {
    struct connection *connection = expect("/results");
    struct buffer body = {0};
    const char *separator = "";
    buffer_printf(&body, lost ? "{\"taken\":[],\"lost\":[" : "{\"lost\":[],\"taken\":[");
    int token = json_first(&server.json, json_member(&server.json, 0, "items"));
    for (; token >= 0; token = json_next(&server.json, token)) {
        buffer_printf(&body, "%s\"%s\"", separator, text_of(token, "id"));
        separator = ",";
    }
    buffer_append(&body, "]}", 3);
    answer(connection, "200 OK", body.data);
    buffer_free(&body);
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

static void start(void) {
    shared = (struct node_shared){.token = "a-token-of-this-test", .node_count = 1};
    shared.mill = mill_open(2, 1e6);
    shared.http = http_open();
    shared.worker = (struct wire_worker){.name = "tester", .kernel = "openssl", .cores = 2};
    node = node_open(&shared, 0, url);
}

static void stop(void) {
    node_close(node);
    node = NULL;
    http_close(shared.http);
    mill_close(shared.mill);
    json_free(&shared.json);
    buffer_free(&shared.body);
    for (int i = 0; i < CONNECTIONS; i++) {
        if (server.connections[i].fd >= 0)
            hang_up(&server.connections[i]);
    }
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
    grant(1, LONG, 1.2);
    int64_t begin_ms = clock_steady_ms();
    expect("/results");
    int64_t waited_ms = clock_steady_ms() - begin_ms;
    ok(waited_ms < 1000, "a lease of 1.2 s is renewed in time");
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
    ok(shared.drain_asked, "a node can ask for a drain");
    stop();
}

int main(void) {
    log_open("test", "node");
    log_set_level(LOG_LEVEL_ERROR);
    start_server();
    test_lease_request();
    test_bad_grants();
    test_report_again();
    test_refusals();
    test_renewal();
    test_leased_again();
    test_drain();
    test_command();
    for (int i = 0; i < CONNECTIONS; i++)
        buffer_free(&server.connections[i].in);
    json_free(&server.json);
    return done_testing();
}
