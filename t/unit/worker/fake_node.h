#ifndef HASHMILL_FAKE_NODE_H
#define HASHMILL_FAKE_NODE_H

/*
 * A node that a test plays, over real HTTP, for the conversation with it: one thread, which pumps
 * the conversation until the request that the test expects has come, and answers it.
 */
#include "worker/node/node.h"

#include "clock.h"
#include "t/unit/lib/fake_server.h"
#include "tap.h"

static struct node_shared shared;
static struct node *node;

/* Moves the conversation on a little, as the worker's loop does. */
static void pump(void) {
    if (node)
        node_step(node);
    http_wait(shared.http, NULL, 0, 1);
    nodes_collect(&shared);
    serve();
}

/* Parses the body of a request that has come; the look-ups below are in it. */
static void parse_request(const struct connection *connection) {
    const char *why;
    const char *body = strstr(connection->in.data, "\r\n\r\n") + 4;
    snprintf(server.body, sizeof server.body, "%s", body);
    if (!json_parse(&server.json, server.body, strlen(server.body), &why))
        ok(false, "the request is JSON: %s", why);
}

/* Waits for a request and parses its body. */
static struct connection *expect(const char *path) {
    int64_t until_ms = clock_steady_ms() + WAIT_MS;
    struct connection *connection;
    while (!(connection = find_request(path))) {
        if (clock_steady_ms() > until_ms) {
            printf("Bail out! no request for %s came\n", path);
            exit(1);
        }
        pump();
    }
    parse_request(connection);
    return connection;
}

static void pump_times(int times) {
    for (int i = 0; i < times; i++)
        pump();
}

/* Answers, and pumps until the conversation has seen it. */
static void answer(struct connection *connection, const char *status, const char *body) {
    send_answer(connection, status, body);
    pump_times(20);
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

/* The reply that grants count items from that number on to the request that was parsed last. */
static void put_grant(struct buffer *body, int number, int count, int64_t remaining, double ttl) {
    buffer_printf(body, "{\"lease\":\"%s\",\"ttl\":%g,\"items\":[", text_of(0, "request"), ttl);
    for (int i = 0; i < count; i++) {
        if (i > 0)
            buffer_append(body, ",", 1);
        put_item(body, number + i, remaining);
    }
    buffer_append(body, "]}", 3);
}

/* The reply to the report that was parsed last: all its items are taken, or all lost. */
static void put_verdict(struct buffer *body, bool lost) {
    const char *separator = "";
    buffer_printf(body, lost ? "{\"taken\":[],\"lost\":[" : "{\"lost\":[],\"taken\":[");
    int token = json_first(&server.json, json_member(&server.json, 0, "items"));
    for (; token >= 0; token = json_next(&server.json, token)) {
        buffer_printf(body, "%s\"%s\"", separator, text_of(token, "id"));
        separator = ",";
    }
    buffer_append(body, "]}", 3);
}

/* Waits for a lease request and answers it with count items. */
static void grant_many(int number, int count, int64_t remaining, double ttl) {
    struct connection *connection = expect("/lease");
    struct buffer body = {0};
    put_grant(&body, number, count, remaining, ttl);
    answer(connection, "200 OK", body.data);
    buffer_free(&body);
}

/* Answers a report that has come: all its items are taken, or all lost. */
static void judge_this(struct connection *connection, bool lost) {
    struct buffer body = {0};
    parse_request(connection);
    put_verdict(&body, lost);
    answer(connection, "200 OK", body.data);
    buffer_free(&body);
}

/* Starts a conversation for a worker with that mill. */
static void start_with(struct mill *mill) {
    shared = (struct node_shared){.token = "a-token-of-this-test"};
    shared.mill = mill;
    shared.http = http_open(NULL);
    server.client = shared.http;
    shared.worker = (struct protocol_worker){.name = "tester", .kernel = "openssl", .cores = 2};
    node = node_open(&shared, url);
}

static void stop(void) {
    node_close(node);
    node = NULL;
    http_close(shared.http);
    mill_close(shared.mill);
    json_free(&shared.json);
    buffer_free(&shared.body);
    items_free(&shared.finished);
    hang_up_all();
}

#endif
