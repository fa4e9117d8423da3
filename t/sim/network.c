/* lib/http.h over a network of our own between nodes, and the fate of its messages. */

#include "sim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "http.h"

struct network network;
static struct dice dice;

struct http {
    int node;
    struct fiber *fiber;
    struct http_call *calls;
};

struct http_call {
    uint64_t number;
    http_done *done;
    void *context;
    int64_t until_us;
    bool replied;
    int status;
    struct buffer body;
    struct http_call *next;
};

/* A message on its way: a request, or a reply to one. */
struct message {
    int from;
    int to;
    uint64_t number; /* of the call */
    struct arrival *arrival;
    int status;
    struct buffer body;
};

enum { CLIENTS_MAX = 64 };

/* Those that are open: a reply finds its call by number, if it still is. */
static struct http *opened[CLIENTS_MAX];
static uint64_t last_number;

void network_begin(uint64_t seed) {
    network = (struct network){.most_us = 2000};
    dice = (struct dice){seed};
}

void network_heal(void) {
    network = (struct network){.most_us = 1000, .lossy_until = sim_now_us};
}

bool network_was_well(int64_t since_us) {
    bool well = network.loss == 0 && network.lossy_until <= since_us;
    for (int i = 0; i < NODES; i++)
        well = well && network.slow_until[i] <= since_us && network.cut_until[i] <= since_us;
    return well;
}

bool network_fate(int to, int64_t *at_us) {
    int64_t most = network.slow_until[to] > sim_now_us ? 4000000 : network.most_us;
    *at_us = sim_now_us + 50 + (int64_t)(dice_next(&dice) % (uint64_t)most);
    return network.cut_until[to] <= sim_now_us && dice_below(&dice, 1000) >= network.loss;
}

/* --- Replies --- */

static struct http_call *find_call(uint64_t number, struct http **http) {
    for (int i = 0; i < CLIENTS_MAX; i++) {
        for (struct http_call *call = opened[i] ? opened[i]->calls : NULL; call;
             call = call->next) {
            *http = opened[i];
            if (call->number == number)
                return call;
        }
    }
    return NULL;
}

static void reply_comes(void *context) {
    struct message *message = context;
    struct http *http = NULL;
    struct http_call *call = find_call(message->number, &http);
    if (call && !call->replied) {
        call->replied = true;
        call->status = message->status;
        call->body = message->body;
        message->body = (struct buffer){0};
        fiber_wake(http->fiber);
    }
    buffer_free(&message->body);
    free(message);
}

/* Takes the answer of the server, which goes back over the network. */
static void send_back(struct arrival *arrival, int status, const char *body, size_t length) {
    struct message *request = arrival->context;
    int64_t at_us;
    if (strcmp(arrival->path, "/peer/hello") != 0)
        sim_trace("message %llu is answered: %d %.*s", (unsigned long long)request->number, status,
                  length < 200 ? (int)length : 200, body ? body : "");
    if (network_fate(request->from, &at_us)) {
        struct message *message = calloc(1, sizeof *message);
        if (!message)
            abort();
        message->number = request->number;
        message->status = status;
        buffer_append(&message->body, body ? body : "", length);
        event_at(at_us, reply_comes, message);
    }
    free(request);
}

/* --- Requests --- */

static enum door door_of(const char *path) {
    if (strncmp(path, "/peer/replica/", strlen("/peer/replica/")) == 0)
        return DOOR_REPLICA;
    return strcmp(path, "/peer/look") == 0 ? DOOR_WORKER_WAIT : DOOR_WORKER;
}

static void request_comes(void *context) {
    struct message *message = context;
    arrival_come(message->arrival);
}

/* The URL is http://node-N/PATH?QUERY. */
static void send_once(struct http *http, const struct http_request *request, uint64_t number) {
    struct message *message = calloc(1, sizeof *message);
    int64_t at_us;
    char bearer[300];
    const char *path = strchr(request->url + strlen("http://"), '/');
    int to = 1 - http->node;
    if (!message || !path)
        abort();
    struct arrival *arrival = arrival_new(to, door_of(path));
    *message = (struct message){.from = http->node, .to = to, .number = number, .arrival = arrival};
    size_t length = strcspn(path, "?");
    snprintf(arrival->method, sizeof arrival->method, "POST");
    snprintf(arrival->path, sizeof arrival->path, "%.*s", (int)length, path);
    snprintf(arrival->query, sizeof arrival->query, "%s", path[length] ? path + length + 1 : "");
    snprintf(bearer, sizeof bearer, "Bearer %s", request->bearer ? request->bearer : "");
    arrival_header(arrival, "HTTP_AUTHORIZATION", bearer);
    buffer_append(&arrival->body, request->body, request->length);
    if (strcmp(path, "/peer/hello") != 0)
        sim_trace("message %llu to node %d: %s %.*s", (unsigned long long)number, to, path,
                  request->length < 200 ? (int)request->length : 200, (const char *)request->body);
    arrival->answer = send_back;
    arrival->context = message;
    if (network_fate(to, &at_us)) {
        event_at(at_us, request_comes, message);
        return;
    }
    buffer_free(&arrival->body);
    free(arrival);
    free(message);
}

struct http *http_open(const struct http_tls *tls) {
    (void)tls;
    struct http *http = calloc(1, sizeof *http);
    if (!http)
        abort();
    http->node = fiber_node();
    http->fiber = fiber_self();
    int i = 0;
    while (opened[i])
        if (++i == CLIENTS_MAX)
            sim_fail("too many clients of the network");
    opened[i] = http;
    return http;
}

static void free_call(struct http_call *call) {
    buffer_free(&call->body);
    free(call);
}

void http_close(struct http *http) {
    for (int i = 0; i < CLIENTS_MAX; i++) {
        if (opened[i] == http)
            opened[i] = NULL;
    }
    while (http->calls) {
        struct http_call *call = http->calls;
        http->calls = call->next;
        free_call(call);
    }
    free(http);
}

void network_forget(struct fiber *fiber) {
    for (int i = 0; i < CLIENTS_MAX; i++) {
        if (opened[i] && opened[i]->fiber == fiber)
            http_close(opened[i]);
    }
}

struct http_call *http_post(struct http *http, const struct http_request *request) {
    struct http_call *call = calloc(1, sizeof *call);
    if (!call)
        abort();
    call->number = ++last_number;
    call->done = request->done;
    call->context = request->context;
    call->until_us = sim_now_us + request->timeout_ms * 1000;
    call->next = http->calls;
    http->calls = call;
    send_once(http, request, call->number);
    if (dice_below(&dice, 1000) < network.twice)
        send_once(http, request, call->number);
    return call;
}

static struct http_call **place_of(struct http *http, const struct http_call *call) {
    struct http_call **at = &http->calls;
    while (*at && *at != call)
        at = &(*at)->next;
    return at;
}

void http_abort(struct http *http, struct http_call *call) {
    struct http_call **at = place_of(http, call);
    *at = call->next;
    free_call(call);
}

/* Ends one call whose reply or time has come. */
static bool end_one(struct http *http) {
    struct http_call *call = http->calls;
    while (call && !call->replied && call->until_us > sim_now_us)
        call = call->next;
    if (!call)
        return false;
    *place_of(http, call) = call->next;
    buffer_append(&call->body, "", 1);
    struct http_reply reply = {.status = call->replied ? call->status : 0,
                               .error = "no reply came",
                               .body = call->body.data,
                               .length = call->body.length - 1};
    call->done(call->context, &reply);
    free_call(call);
    return true;
}

void http_wait(struct http *http, struct http_watch *watches, unsigned count, int timeout_ms) {
    struct pollfd fds[4];
    int64_t until_us = timeout_ms < 0 ? INT64_MAX : sim_now_us + (int64_t)timeout_ms * 1000;
    for (unsigned i = 0; i < count; i++)
        fds[i] = (struct pollfd){.fd = watches[i].fd, .events = POLLIN};
    for (;;) {
        bool ended = false;
        int64_t next_us = until_us;
        while (end_one(http))
            ended = true;
        for (struct http_call *call = http->calls; call; call = call->next)
            next_us = call->until_us < next_us ? call->until_us : next_us;
        bool readable = count > 0 && poll(fds, count, 0) > 0;
        for (unsigned i = 0; i < count; i++)
            watches[i].readable = readable && fds[i].revents != 0;
        if (ended || readable || sim_now_us >= until_us || fiber_is_told())
            return;
        fiber_wait(fds, (int)count, next_us);
    }
}

bool http_is_base_url(const char *text) {
    return strncmp(text, "http://", 7) == 0;
}

bool http_is_local_url(const char *url) {
    (void)url;
    return true;
}

bool http_is_secure_url(const char *url) {
    (void)url;
    return false;
}
