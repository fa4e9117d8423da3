#ifndef HASHMILL_T_FUZZ_CALL_H
#define HASHMILL_T_FUZZ_CALL_H

/*
 * A request in memory and a stand-in for the queue, so that the router and all handlers can be
 * fuzzed in process. An input looks like a request:
 *
 *     POST /results
 *     HTTP_ACCEPT=text/plain          any FastCGI parameters
 *     RESULT=3                        how the queue's verbs end (enum queue_result)
 *
 *     body
 *
 * What a handler gives to the queue must be what the writer takes.
 */

#include <fcgiapp.h>

#include "fcgi/api/api.h"
#include "fcgi/http/demands.h"
#include "fcgi/queue/id.h"
#include "fcgi/queue/queue_fleet.h"
#include "fcgi/queue/queue_history.h"
#include "fcgi/queue/queue_operators.h"
#include "fcgi/queue/queue_progress.h"
#include "fcgi/writer/operation.h"
#include "fuzz.h"
#include "log.h"

enum { PARAMETERS_MAX = 30 };

static const char worker_token[] = "a token of workers";
static const char peer_token[] = "a token of nodes";

static enum queue_result fuzz_result;
static struct channel_message fuzz_message;

/* --- The queue --- */

static enum queue_result take(enum operation operation) {
    fuzz_message.header.operation = (uint16_t)operation;
    must(operation_size(&fuzz_message) > 0);
    must(operation_sane(&fuzz_message));
    return fuzz_result;
}

static struct queue_item some_item(int number) {
    struct queue_item item = {.iterations = 5, .enqueued_wall_ms = 1700000000000};
    item.state = number % ITEM_STATES;
    item.id.bytes[15] = (uint8_t)number;
    return item;
}

enum queue_result queue_enqueue(struct queue *queue, const struct queue_enqueue *item,
                                struct uuid *id) {
    (void)queue;
    fuzz_message.body.enqueue = *item;
    *id = item->id;
    return take(OPERATION_ENQUEUE);
}

enum { STALE_SECONDS = 99999 }; /* what the answer to an earlier request has left behind */

/* Every third item is refused, each time for something else. When all fail, nothing is said of
 * each.
 */
enum queue_result queue_enqueue_many(struct queue *queue, const struct queue_many *many,
                                     struct queue_many_stored *stored) {
    (void)queue;
    fuzz_message.body.many = *many;
    stored->count = many->count;
    for (int i = 0; i < many->count; i++)
        stored->items[i] =
            (struct queue_stored){.id = many->items[i].id,
                                  .result = i % 3 == 2 ? i / 3 % (QUEUE_FAULT + 1) : QUEUE_OK,
                                  .retry_seconds = i % 5};
    for (int i = 0; i < many->count && fuzz_result != QUEUE_OK; i++)
        stored->items[i].retry_seconds = STALE_SECONDS;
    return take(OPERATION_ENQUEUE_MANY);
}

enum queue_result queue_pull(struct queue *queue, const struct queue_pull *pull,
                             struct queue_batch *batch) {
    (void)queue;
    fuzz_message.body.pull = *pull;
    batch->share = PULL_WHOLE;
    batch->count = pull->top < 3 ? pull->top : 3;
    for (int i = 0; i < batch->count; i++)
        batch->items[i] = some_item(ITEM_DONE);
    return take(OPERATION_PULL);
}

enum queue_result queue_pulled(struct queue *queue, const struct queue_pull *pull) {
    (void)queue, (void)pull;
    return QUEUE_NONE;
}

enum queue_result queue_look(struct queue *queue, struct uuid id, const struct queue_whose *whose,
                             struct queue_item *item) {
    (void)queue;
    (void)whose;
    *item = some_item(id.bytes[0]);
    return fuzz_result;
}

enum queue_result queue_look_replica(struct queue *queue, struct uuid id,
                                     const struct queue_whose *whose, struct queue_item *item,
                                     int64_t *as_of_ms) {
    *as_of_ms = 1000;
    return queue_look(queue, id, whose, item);
}

enum queue_result queue_cancel(struct queue *queue, const struct queue_cancel *cancel) {
    (void)queue;
    fuzz_message.body.cancel = *cancel;
    return take(OPERATION_CANCEL);
}

enum queue_result queue_cancel_many(struct queue *queue, const struct queue_cancel_many *cancel,
                                    struct queue_cancelled *cancelled) {
    (void)queue;
    must(cancel->count >= 0 && cancel->count <= QUEUE_CANCEL_MAX);
    fuzz_message.body.cancel_many = *cancel;
    cancelled->waiting = 3;
    cancelled->count = cancel->count;
    return take(OPERATION_CANCEL_MANY);
}

enum queue_result queue_list(struct queue *queue, const struct queue_list *list,
                             struct queue_page *page) {
    (void)queue;
    must(list->limit >= 1 && list->limit <= QUEUE_LIST_MAX);
    must(list->state >= -1 && list->state < ITEM_STATES);
    page->known = 1;
    page->more = list->limit < 3;
    page->count = page->more ? list->limit : 3;
    for (int i = 0; i < page->count; i++)
        page->items[i] = (struct queue_listed){.item = some_item(9 - i), .client = "alice"};
    page->end = page->items[page->count - 1].item.id;
    return fuzz_result;
}

enum queue_result queue_list_replica(struct queue *queue, const struct queue_list *list,
                                     struct queue_page *page) {
    page->as_of_ms = 1000;
    return queue_list(queue, list, page);
}

enum queue_result queue_report(struct queue *queue, const struct queue_report *report,
                               struct queue_verdict *verdict) {
    (void)queue;
    fuzz_message.body.report = *report;
    verdict->count = report->count;
    verdict->drain = report->count % 2;
    for (int i = 0; i < report->count; i++) {
        must(report->items[i].remaining >= 0 && report->items[i].remaining < QUEUE_ITERATIONS_MAX);
        verdict->taken[i] = i % 2;
    }
    return take(OPERATION_REPORT);
}

enum queue_result queue_retire(struct queue *queue, const struct queue_worker *worker) {
    (void)queue;
    fuzz_message.body.worker = *worker;
    return take(OPERATION_RETIRE);
}

int queue_retry_seconds(const struct queue *queue) {
    (void)queue;
    return 1;
}

void queue_left(const struct queue *queue, struct queue_left *left) {
    (void)queue;
    *left = (struct queue_left){.known = 1, .items = 1, .work = 2};
}

enum queue_result queue_tally(struct queue *queue, const struct queue_whose *whose,
                              struct queue_tally *tally) {
    (void)queue;
    (void)whose;
    *tally = (struct queue_tally){.clock_ms = 1000};
    return fuzz_result;
}

enum queue_result queue_pause(struct queue *queue, const struct queue_pause *pause,
                              int64_t *paused) {
    (void)queue;
    fuzz_message.body.pause = *pause;
    *paused = pause->part;
    return take(OPERATION_PAUSE);
}

enum queue_result queue_quarantine(struct queue *queue, const struct queue_quarantine *quarantine) {
    (void)queue;
    fuzz_message.body.quarantine = *quarantine;
    return take(OPERATION_QUARANTINE);
}

enum queue_result queue_fleet(struct queue *queue, const struct queue_fleet_since *since,
                              struct queue_fleet *fleet) {
    (void)queue;
    (void)since;
    memset(fleet, 0, sizeof *fleet);
    return fuzz_result;
}

enum queue_result queue_history(struct queue *queue, struct queue_history *history) {
    (void)queue;
    must(history->count >= 1 && history->count <= QUEUE_STEPS_MAX && history->step_seconds >= 60);
    memset(history->steps, 0, sizeof history->steps);
    history->steps[0] = (struct queue_step){.seconds = 60, .oldest_wait_ms = 1500};
    return fuzz_result;
}

const struct queue_load *queue_load(struct queue *queue) {
    static struct queue_load load = {.oldest_ms = -1, .boot_ms = -1};
    (void)queue;
    return fuzz_result == QUEUE_OK ? &load : NULL;
}

enum queue_result queue_progress(struct queue *queue, struct uuid id,
                                 const struct queue_whose *whose, struct queue_progress *progress) {
    (void)queue, (void)id, (void)whose;
    memset(progress, 0, sizeof *progress);
    return fuzz_result;
}

enum queue_result queue_running(struct queue *queue, const struct queue_whose *whose, int limit,
                                struct queue_running *running) {
    (void)queue, (void)whose;
    memset(running, 0, sizeof *running);
    running->count = limit;
    return fuzz_result;
}

enum queue_result queue_peers(struct queue *queue, struct queue_peers *peers) {
    (void)queue;
    memset(peers, 0, sizeof *peers);
    peers->met.epoch = 5;
    return fuzz_result;
}

enum queue_result queue_met(struct queue *queue, struct queue_identity *met) {
    (void)queue;
    memset(met, 0, sizeof *met);
    met->epoch = 5;
    return fuzz_result;
}

enum queue_result queue_raise(struct queue *queue, const struct queue_raise *raise) {
    (void)queue;
    fuzz_message.body.raise = *raise;
    return take(OPERATION_RAISE);
}

enum queue_result queue_reserve(struct queue *queue, const struct queue_reserve *reserve,
                                struct queue_batch *batch) {
    (void)queue;
    fuzz_message.body.reserve = *reserve;
    batch->count = reserve->top < 3 ? reserve->top : 3;
    for (int i = 0; i < batch->count; i++)
        batch->items[i] = some_item(ITEM_PULLED);
    return take(OPERATION_RESERVE);
}

enum queue_result queue_pull_fate(struct queue *queue, const uint8_t tag[PULL_TAG_SIZE],
                                  struct queue_fate *fate) {
    (void)queue;
    *fate = (struct queue_fate){.fate = tag[0] % (PULL_IS_CLOSED + 1), .rest = tag[1]};
    return fuzz_result;
}

enum queue_result queue_close_pull(struct queue *queue, const struct queue_close *close) {
    (void)queue;
    fuzz_message.body.close = *close;
    return take(OPERATION_CLOSE_PULL);
}

enum queue_result queue_hello(struct queue *queue, const struct queue_hello *hello,
                              struct queue_hello_answer *answer) {
    (void)queue;
    fuzz_message.body.hello = *hello;
    memset(answer, 0, sizeof *answer);
    answer->nonce = 7;
    answer->counts = hello->nonce == 7;
    answer->count = answer->counts ? hello->count : 0;
    return take(OPERATION_HELLO);
}

uint64_t queue_start_lease(struct queue *queue, const struct queue_lease *request) {
    (void)queue;
    must(request->wait_ms >= 0);
    fuzz_message.body.lease = *request;
    take(OPERATION_LEASE);
    return 1;
}

uint64_t queue_start_look(struct queue *queue, struct uuid id, const struct queue_whose *whose,
                          int64_t wait_ms) {
    (void)queue;
    (void)whose;
    (void)id;
    must(wait_ms > 0 && wait_ms <= 30000);
    return 1;
}

uint64_t queue_start_done(struct queue *queue, const char *client, int64_t wait_ms) {
    (void)queue;
    must(strlen(client) < QUEUE_NAME_SIZE && wait_ms > 0 && wait_ms <= 30000);
    return 1;
}

void queue_return_lease(struct queue *queue, struct queue_return grant) {
    (void)queue;
    (void)grant;
}

struct queue *queue_open(const struct conf *conf, const char *channel) {
    (void)conf;
    (void)channel;
    return NULL;
}

void queue_close(struct queue *queue) {
    (void)queue;
}

/* --- The request --- */

static void at_end(FCGX_Stream *stream) {
    stream->isClosed = 1;
}

/* Reads the head of the input into a request; what is left is the body. */
static void read_input(char *text, size_t size, struct request *request, FCGX_Stream *body,
                       char *parameters[PARAMETERS_MAX + 3]) {
    static char length[40];
    static char bearer[60];
    int count = 0;
    char *rest = fuzz_cut_line(text);
    fuzz_result = QUEUE_OK;
    request->method = text;
    request->path = "";
    request->query = "";
    char *space = strchr(text, ' ');
    if (space) {
        *space = '\0';
        request->path = space + 1;
        char *query = strchr(space + 1, '?');
        if (query) {
            *query = '\0';
            request->query = query + 1;
        }
    }
    while (count < PARAMETERS_MAX && *rest != '\0' && *rest != '\n') {
        parameters[count++] = rest;
        rest = fuzz_cut_line(rest);
    }
    rest += *rest == '\n';
    size_t left = size - (size_t)(rest - text);
    bool peers = strncmp(request->path, "/peer/", 6) == 0;
    snprintf(length, sizeof length, "CONTENT_LENGTH=%zu", left);
    snprintf(bearer, sizeof bearer, "HTTP_AUTHORIZATION=Bearer %s",
             peers ? peer_token : worker_token);
    parameters[count] = NULL;
    request->fcgi.envp = parameters;
    /* An input may say otherwise. */
    if (!request_parameter(request, "HTTP_AUTHORIZATION"))
        parameters[count++] = bearer;
    parameters[count++] = length; /* the first of a name counts */
    parameters[count] = NULL;
    request->fcgi.in = body;
    const char *result = request_parameter(request, "RESULT");
    if (result)
        fuzz_result = (enum queue_result)(strtoul(result, NULL, 10) % (QUEUE_FAULT + 1));
    unsigned char *bytes = (unsigned char *)rest;
    *body = (FCGX_Stream){.rdNext = bytes,
                          .stop = bytes + left,
                          .stopUnget = bytes,
                          .isReader = 1,
                          .fillBuffProc = at_end};
}

/* A line of JSON for each; no line has anything of an earlier request. */
static void check_lines(const struct buffer *body) {
    static struct json json;
    const char *why;
    const char *end = body->data + body->length;
    for (const char *line = body->data; line < end;) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        int64_t seconds;
        must(stop != NULL);
        must(json_parse(&json, line, (size_t)(stop - line), &why));
        must(!json_integer(&json, json_member(&json, 0, "retry_after"), STALE_SECONDS,
                           STALE_SECONDS, &seconds));
        line = stop + 1;
    }
}

/* A reply is one that a client can read. */
static void check_reply(const struct reply *reply) {
    static struct json json;
    const char *why;
    must(reply->status >= 200 && reply->status < 600);
    must(!reply->type || (reply->status != 204 && reply->status != 304));
    if (reply->type && strcmp(reply->type, "application/x-ndjson") == 0)
        check_lines(&reply->body);
    else if (reply->type && strstr(reply->type, "json"))
        must(json_parse(&json, reply->body.data, reply->body.length, &why));
    if (reply->status >= 400)
        must(reply->type && strcmp(reply->type, "application/problem+json") == 0);
}

/* The answer to what was parked. */
static void finish(struct call *call) {
    static struct queue_grant grant = {.ttl_ms = 1000, .count = 1};
    struct queue_item item = some_item(ITEM_DONE);
    bool lease = call->route->long_poll->take_back != NULL;
    struct queue_answer answer = {.ticket = 1, .result = fuzz_result};
    if (fuzz_result == QUEUE_OK && lease)
        answer.grant = &grant;
    else if (fuzz_result == QUEUE_OK)
        answer.item = &item;
    must(call->route->long_poll->finish(call, &answer) == 0);
}

/* One request on this listener, to this table, from head to reply. */
static void run_call(enum listener listener, const struct route *routes, const uint8_t *data,
                     size_t size) {
    static struct conf conf;
    static struct server server;
    static char *parameters[PARAMETERS_MAX + 3];
    static struct request request;
    FCGX_Stream body;
    struct call call = {.server = &server, .request = &request, .may_park = true};
    if (!server.conf) {
        log_set_level(LOG_LEVEL_ERROR);
        snprintf(conf.worker_token, sizeof conf.worker_token, "%s", worker_token);
        snprintf(conf.peer_token, sizeof conf.peer_token, "%s", peer_token);
        conf.body_bytes_max = 262144;
        conf.iterations_max = QUEUE_ITERATIONS_MAX;
        conf.lease_seconds = 60;
        conf.in_hand_start = 4096;
        if (listener == LISTENER_WORKER) {
            conf.has_peer = true;
            conf.peer.node = 1;
        }
        server.conf = &conf;
        server.routes = routes;
        server.listener = listener;
        server.sha512 = EVP_MD_CTX_new();
        server.sha256 = EVP_MD_CTX_new();
        must(EVP_DigestInit_ex(server.sha512, EVP_sha512(), NULL) == 1);
        must(EVP_DigestInit_ex(server.sha256, EVP_sha256(), NULL) == 1);
    }
    char *text = fuzz_text(data, size);
    read_input(text, size, &request, &body, parameters);
    server.reply.status = 0;
    if (router_match(&call)) {
        if (call.route->handle)
            call.route->handle(&call);
        else if (call.route->long_poll->start(&call) != 0)
            finish(&call);
    }
    demands_of_reply(&call);
    check_reply(&server.reply);
    free(text);
}

#endif
