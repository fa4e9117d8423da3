/* Requests one after the other: calls and connections are used again, but each request gets its own
 * reply and sends nothing of an earlier one. And no request goes elsewhere than it was told, or
 * anywhere by https without the files for that. */
#include "clock.h"
#include "fake_server.h"
#include "log.h"
#include "tap.h"

#include <time.h>

enum { LONG_BYTES = 20000 }; /* of a body that no call is kept with */

static struct http *client;

/* What came of a request; the reply's texts are copies. */
struct outcome {
    bool over;
    struct http_reply reply;
    struct buffer body;
    char error[300];
};

static void take_reply(void *context, const struct http_reply *reply) {
    struct outcome *outcome = context;
    outcome->over = true;
    outcome->reply = *reply;
    buffer_clear(&outcome->body);
    buffer_append(&outcome->body, reply->body, reply->length + 1);
    snprintf(outcome->error, sizeof outcome->error, "%s", reply->error ? reply->error : "");
}

static bool apart; /* what is posted now goes by a connection of its own */

/* Posts to a path; length bytes of the body, NULL: no token. */
static void post(struct outcome *outcome, const char *path, const char *body, size_t length,
                 const char *bearer) {
    char whole_url[100];
    snprintf(whole_url, sizeof whole_url, "%s%s", url, path);
    struct http_request request = {.url = whole_url,
                                   .bearer = bearer,
                                   .body = body,
                                   .length = length,
                                   .timeout_ms = WAIT_MS,
                                   .apart = apart,
                                   .done = take_reply,
                                   .context = outcome};
    outcome->over = false;
    http_post(client, &request);
}

/* Moves both sides on; ends the test when that has gone on for too long. */
static void pump(int64_t since_ms, const char *missing) {
    if (clock_steady_ms() - since_ms > WAIT_MS) {
        printf("Bail out! %s did not come\n", missing);
        exit(1);
    }
    http_wait(client, NULL, 0, 1);
    serve();
}

static struct connection *await_request(const char *path) {
    int64_t since_ms = clock_steady_ms();
    struct connection *connection;
    while (!(connection = find_request(path)))
        pump(since_ms, path);
    return connection;
}

static void await_reply(const struct outcome *outcome) {
    int64_t since_ms = clock_steady_ms();
    while (!outcome->over)
        pump(since_ms, "the reply");
}

/* A field of the head of a request that has come, or "(none)". */
static const char *field_of(const struct connection *connection, const char *name) {
    static char value[200];
    char start[50];
    snprintf(start, sizeof start, "\r\n%s: ", name);
    const char *field = strstr(connection->in.data, start);
    if (!field)
        return "(none)";
    field += strlen(start);
    snprintf(value, sizeof value, "%.*s", (int)strcspn(field, "\r"), field);
    return value;
}

/* Checks a request that has come: its fields and its body. authorization as in its field. */
static void is_request(const struct connection *connection, const char *body,
                       const char *authorization) {
    is_text(field_of(connection, "Authorization"), authorization, "its own token or none");
    is_int(strtoll(field_of(connection, "Content-Length"), NULL, 10), (long long)strlen(body),
           "the length of its own body");
    is_text(strstr(connection->in.data, "\r\n\r\n") + 4, body, "and the body");
    is_text(field_of(connection, "Content-Type"), "application/json", "said to be JSON");
    is_text(field_of(connection, "Expect"), "(none)", "sent without waiting");
}

static void is_reply(const struct outcome *outcome, int status, const char *body,
                     int64_t retry_after_ms) {
    is_int(outcome->reply.status, status, "the reply's status");
    is_text(outcome->body.data, body, "its body alone");
    is_int((long long)outcome->reply.length, (long long)strlen(body), "as long as it is");
    is_int(outcome->reply.retry_after_ms, retry_after_ms, "its own Retry-After or none");
    ok(!outcome->reply.error, "and no error");
}

static void start(void) {
    client = http_open(NULL);
    server.client = client;
}

static void stop(struct outcome *outcomes, int count) {
    http_close(client);
    hang_up_all();
    for (int i = 0; i < count; i++)
        buffer_free(&outcomes[i].body);
}

/* The connection of the only client there is, which is to be one and the same all the time. */
static int count_connections(void) {
    int count = 0;
    for (int i = 0; i < CONNECTIONS; i++)
        count += server.connections[i].fd >= 0;
    return count;
}

/* A moment that many seconds from now, as a header has it. */
static const char *date_in(int64_t seconds) {
    static char text[40];
    time_t moment = time(NULL) + seconds;
    struct tm utc;
    gmtime_r(&moment, &utc);
    strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &utc);
    return text;
}

/* The Retry-After that a reply with such a header is said to have, in milliseconds. */
static int64_t retry_after_of(const char *value) {
    struct outcome outcome = {0};
    char status[100];
    start();
    post(&outcome, "/busy", "{}", 2, NULL);
    snprintf(status, sizeof status, "503 Service Unavailable\r\nRetry-After: %s", value);
    send_answer(await_request("/busy "), status, "{}");
    await_reply(&outcome);
    stop(&outcome, 1);
    return outcome.reply.retry_after_ms;
}

static void test_retry_after(void) {
    is_int(retry_after_of("0"), 0, "no wait");
    is_int(retry_after_of("3"), 3000, "a wait of seconds");
    is_int(retry_after_of(date_in(-5)), 0, "a date that has passed: the wait is over");
    is_int(retry_after_of("Thu, 01 Jan 1970 00:00:00 GMT"), 0, "however long ago");
    is_int(retry_after_of("-7"), 0, "a negative number is none");
    is_int(retry_after_of("soon"), 0, "nor is a word");
    is_int(retry_after_of("9999999999"), 86400000, "a day is the longest");
    is_int(retry_after_of("Fri, 31 Dec 9999 23:59:59 GMT"), 86400000, "of dates, too");
    int64_t wait_ms = retry_after_of(date_in(100));
    ok(wait_ms >= 90000 && wait_ms <= 100000, "a date that comes: %lld ms", (long long)wait_ms);
}

static void test_one_after_the_other(void) {
    struct outcome outcome = {0};
    start();
    post(&outcome, "/first", "{\"a\":\"a body that is longer\"}", 29, "the-first-token");
    struct connection *connection = await_request("/first ");
    is_request(connection, "{\"a\":\"a body that is longer\"}", "Bearer the-first-token");
    send_answer(connection, "503 Service Unavailable\r\nRetry-After: 7", "{\"detail\":\"full\"}");
    await_reply(&outcome);
    is_reply(&outcome, 503, "{\"detail\":\"full\"}", 7000);
    post(&outcome, "/second", "{}, not to be sent", 2, "another");
    connection = await_request("/second ");
    is_request(connection, "{}", "Bearer another");
    send_answer(connection, "200 OK", "[1]");
    await_reply(&outcome);
    is_reply(&outcome, 200, "[1]", 0);
    post(&outcome, "/third", "{\"b\":2}", 7, "another");
    connection = await_request("/third ");
    is_request(connection, "{\"b\":2}", "Bearer another");
    send_answer(connection, "204 No Content", "");
    await_reply(&outcome);
    is_reply(&outcome, 204, "", 0);
    post(&outcome, "/fourth", "{\"c\":[]}", 8, NULL);
    connection = await_request("/fourth ");
    is_request(connection, "{\"c\":[]}", "(none)");
    send_answer(connection, "200 OK", "{\"d\":4}");
    await_reply(&outcome);
    is_reply(&outcome, 200, "{\"d\":4}", 0);
    is_int(count_connections(), 1, "all on one connection");
    stop(&outcome, 1);
}

/* Several at once, answered in another order each time, so that calls change their places. */
static void test_at_once(void) {
    struct outcome outcomes[3] = {0};
    char body[40], path[20];
    start();
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 3; i++) {
            snprintf(body, sizeof body, "{\"request\":%d}", 10 * round + i);
            snprintf(path, sizeof path, "/%d", i);
            post(&outcomes[i], path, body, strlen(body), NULL);
        }
        for (int turn = 0; turn < 3; turn++) {
            int i = (turn + round) % 3;
            snprintf(path, sizeof path, "/%d ", i);
            struct connection *connection = await_request(path);
            snprintf(body, sizeof body, "{\"request\":%d}", 10 * round + i);
            is_text(strstr(connection->in.data, "\r\n\r\n") + 4, body, "a request of several");
            snprintf(body, sizeof body, "{\"reply\":%d}", 10 * round + i);
            send_answer(connection, "200 OK", body);
            await_reply(&outcomes[i]);
            is_text(outcomes[i].body.data, body, "gets its reply");
        }
    }
    stop(outcomes, 3);
}

/* What goes apart has a connection that nothing else uses, and keeps it. */
static void test_apart(void) {
    struct outcome outcome = {0};
    struct connection *used[2] = {NULL, NULL};
    start();
    for (int round = 0; round < 6; round++) {
        apart = round % 2 == 1;
        post(&outcome, "/here", "{}", 2, NULL);
        struct connection *connection = await_request("/here ");
        if (!used[apart])
            used[apart] = connection;
        ok(connection == used[apart], "round %d: its own connection", round);
        send_answer(connection, "200 OK", "1");
        await_reply(&outcome);
        is_reply(&outcome, 200, "1", 0);
    }
    apart = false;
    ok(used[0] != used[1], "that of the others is another");
    is_int(count_connections(), 2, "there are these two");
    stop(&outcome, 1);
}

static void test_local(void) {
    static const char *const here[] = {"http://127.0.0.1:1", "http://127.9.9.9",
                                       "http://[::1]:8/x",   "http://localhost:8081",
                                       "http://LOCALHOST",   "https://127.0.0.1:8443/"};
    static const char *const elsewhere[] = {
        "http://10.0.0.1:1",        "http://128.0.0.1",         "http://[::2]:8",
        "http://[::ffff:10.0.0.1]", "http://localhost.example", "http://127.0.0.1.example",
        "http://node1:8081",        "http://0.0.0.0:8081",      "http://126.255.255.255"};
    for (size_t i = 0; i < sizeof here / sizeof *here; i++)
        ok(http_is_local_url(here[i]), "%s is here", here[i]);
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++)
        ok(!http_is_local_url(elsewhere[i]), "%s is not", elsewhere[i]);
}

/* A long reply, then a short one, then a request that fails, then one that does not. */
static void test_long_and_failed(void) {
    static char text[LONG_BYTES + 1];
    struct outcome outcome = {0};
    start();
    memset(text, '7', LONG_BYTES);
    post(&outcome, "/long", text, LONG_BYTES, NULL);
    struct connection *connection = await_request("/long ");
    is_text(strstr(connection->in.data, "\r\n\r\n") + 4, text, "a long request comes whole");
    send_answer(connection, "200 OK", text);
    await_reply(&outcome);
    is_text(outcome.body.data, text, "a long reply too");
    post(&outcome, "/short", "{}", 2, NULL);
    connection = await_request("/short ");
    is_request(connection, "{}", "(none)");
    send_answer(connection, "429 Too Many Requests\r\nRetry-After: 1", "0");
    await_reply(&outcome);
    is_reply(&outcome, 429, "0", 1000);
    post(&outcome, "/broken", "{}", 2, NULL);
    for (int64_t since_ms = clock_steady_ms(); !outcome.over; pump(since_ms, "the failure")) {
        if ((connection = find_request("/broken ")) != NULL)
            hang_up(connection); /* libcurl tries again when the connection was an old one */
    }
    is_int(outcome.reply.status, 0, "a connection that ends early is no reply");
    ok(outcome.error[0] != '\0', "but an error: %s", outcome.error);
    is_int((long long)outcome.reply.length, 0, "without a body");
    is_int(outcome.reply.retry_after_ms, 0, "nor the last Retry-After");
    post(&outcome, "/after", "{}", 2, NULL);
    send_answer(await_request("/after "), "200 OK", "[2]");
    await_reply(&outcome);
    is_reply(&outcome, 200, "[2]", 0);
    stop(&outcome, 1);
}

/* A server that dies while it sends the header of its reply. */
static void test_cut_header(void) {
    static const char *const begins[] = {
        "HTTP/1.1 200 OK", "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX: y\r\n"};
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++) {
        struct outcome outcome = {0};
        struct buffer begin = {0};
        start();
        post(&outcome, "/cut", "{}", 2, NULL);
        struct connection *connection = await_request("/cut ");
        buffer_puts(&begin, begins[i]);
        write_all(connection->fd, &begin);
        hang_up(connection);
        await_reply(&outcome);
        ok(outcome.reply.status == 0, "a reply that ends behind %zu bytes of its header is none",
           begin.length);
        ok(outcome.error[0] != '\0', "but an error: %s", outcome.error);
        buffer_free(&begin);
        stop(&outcome, 1);
    }
}

/* A server that dies with a request in hand: libcurl tries again, as the connection was an old one,
 * and finds nobody. The request may have been done all the same; one that comes later has not. */
static void test_sent_and_refused(void) {
    struct outcome outcome = {0};
    start();
    post(&outcome, "/first", "{}", 2, NULL);
    send_answer(await_request("/first "), "200 OK", "[1]");
    await_reply(&outcome);
    post(&outcome, "/second", "{}", 2, NULL);
    struct connection *connection = await_request("/second ");
    close(server.fd);
    hang_up(connection);
    await_reply(&outcome);
    is_int(outcome.reply.status, 0, "there is no reply");
    ok(!outcome.reply.unsent, "the server may have the request: %s", outcome.error);
    post(&outcome, "/third", "{}", 2, NULL);
    await_reply(&outcome);
    ok(outcome.reply.status == 0 && outcome.reply.unsent, "nobody has this: %s", outcome.error);
    stop(&outcome, 1);
    start_server();
}

/* A server that sends the client elsewhere is not obeyed: its answer is the reply. */
static void test_redirect(void) {
    struct outcome outcome = {0};
    start();
    post(&outcome, "/moved", "{}", 2, "a-token");
    send_answer(await_request("/moved "), "307 Temporary Redirect\r\nLocation: /elsewhere", "3");
    await_reply(&outcome);
    is_reply(&outcome, 307, "3", 0);
    for (int i = 0; i < 50; i++)
        pump(clock_steady_ms(), "nothing");
    ok(!find_request("/elsewhere "), "nothing is sent elsewhere");
    stop(&outcome, 1);
}

/* Posts by https to the server, which speaks none, and checks why that fails. */
static void fails(const struct http_tls *tls, const char *words, bool untrusted) {
    struct outcome outcome = {0};
    client = http_open(tls);
    server.client = client;
    post(&outcome, "/", "{}", 2, NULL);
    await_reply(&outcome);
    is_int(outcome.reply.status, 0, "no reply");
    ok(strstr(outcome.error, words), "but \"%s\"", outcome.error);
    is_int(outcome.reply.untrusted, untrusted, "whether a certificate is the reason");
    stop(&outcome, 1);
}

static void test_secure(void) {
    struct http_tls none = {"", "", ""};
    struct http_tls no_ca = {"/nonexistent/ca", "", ""};
    struct http_tls no_cert = {"/nonexistent/ca", "/nonexistent/cert", "/nonexistent/key"};
    char plain[sizeof url];
    memcpy(plain, url, sizeof url);
    snprintf(url, sizeof url, "https%.50s", plain + strlen("http"));
    fails(NULL, "https", false);
    fails(&none, "https", false);
    fails(&no_ca, "; see the file of TLS_CA", true);
    fails(&no_cert, "; see the files of TLS_CERT and TLS_KEY", true);
    memcpy(url, plain, sizeof url);
}

/* Lists of base URLs, as settings have them. */
static void test_split(void) {
    static const char *const bad[] = {"",
                                      " , ",
                                      "http://a,ftp://b",
                                      "http://a http://a/",
                                      "http://a/\xc3\xa4",
                                      "http://a,http://b,http://c"};
    char list[] = "http://a//, https://b:8443/x/\thttp://c";
    const char *urls[3];
    char why[200];
    is_int(http_split_base_urls(list, urls, 3, "NODES", "http://a", why, sizeof why), 3,
           "commas and blanks separate URLs");
    ok(!strcmp(urls[0], "http://a") && !strcmp(urls[1], "https://b:8443/x") &&
           !strcmp(urls[2], "http://c"),
       "which lose slashes at their ends");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[100];
        snprintf(text, sizeof text, "%s", bad[i]);
        why[0] = '\0';
        ok(http_split_base_urls(text, urls, 2, "NODES", "http://a", why, sizeof why) == -1 &&
               strncmp(why, "NODES must ", 11) == 0,
           "refused: \"%s\"", bad[i]);
    }
}

int main(void) {
    log_open("test", "http");
    start_server();
    test_retry_after();
    test_one_after_the_other();
    test_at_once();
    test_apart();
    test_local();
    test_long_and_failed();
    test_cut_header();
    test_sent_and_refused();
    test_redirect();
    test_secure();
    stop_server();
    test_split();
    return done_testing();
}
