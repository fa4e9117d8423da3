#include "net/net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/exit.h"
#include "base/say.h"
#include "base/stop.h"
#include "clock.h"
#include "http.h"
#include "memory.h"
#include "net/problem.h"
#include "retry.h"

static const char odd[] = "the reply is not what a node says; is it a hashmill?";

enum {
    REQUEST_MS = 60000,
    PATIENCE_MS = 10000, /* with a node that answers nothing, while there are others */
    BYTES_A_MS = 64,     /* a body may take that much longer */
    TURN_MS = 1000,
    STATUS_NO_KEY = 401
};

struct node {
    const char *url;
    struct retry retry;
    char said[ANSWER_WHY_SIZE]; /* of the row of failures that goes on; empty: nothing */
};

struct net {
    struct http *http;
    struct http_tls tls;
    const char *bearer;
    struct node nodes[CLIENT_NODES_MAX];
    int count;
    int current; /* the node that answered last */
    int64_t deadline_ms;
    int64_t (*turn)(void *context); /* see net_each_turn */
    void *turn_context;
};

struct net *net_open(const struct client_conf *conf, int64_t deadline_ms) {
    struct net *net = memory_or_end(calloc(1, sizeof *net), "the nodes");
    net->tls = (struct http_tls){.ca = conf->tls_ca, .cert = conf->tls_cert, .key = conf->tls_key};
    net->http = http_open(&net->tls);
    if (!net->http) {
        free(net);
        return NULL;
    }
    http_trust_system(net->http);
    net->bearer = conf->key[0] != '\0' ? conf->key : NULL;
    net->count = conf->url_count;
    for (int i = 0; i < net->count; i++)
        net->nodes[i].url = conf->urls[i];
    net->deadline_ms = deadline_ms;
    return net;
}

void net_close(struct net *net) {
    http_close(net->http);
    free(net);
}

int net_count(const struct net *net) {
    return net->count;
}

const char *net_url(const struct net *net, int node) {
    return net->nodes[node].url;
}

int net_named(const struct net *net, const char *url) {
    for (int i = 0; i < net->count; i++) {
        if (strcmp(net->nodes[i].url, url) == 0)
            return i;
    }
    return NET_ANY;
}

/* Whether the last request to the node went well, or there was none. */
static bool is_well(const struct net *net, int node) {
    return !net->nodes[node].retry.failing;
}

int net_pick(const struct net *net, int owner) {
    int best = net->current;
    if (owner != NET_ANY)
        return owner;
    if (is_well(net, best))
        return best;
    for (int i = 0; i < net->count; i++) {
        if (is_well(net, i))
            return i;
        if (net_due_ms(net, i) < net_due_ms(net, best))
            best = i;
    }
    return best;
}

bool net_is_due(const struct net *net, int node) {
    return retry_is_due(&net->nodes[node].retry);
}

int64_t net_due_ms(const struct net *net, int node) {
    return net->nodes[node].retry.not_before_ms;
}

bool net_is_late(const struct net *net) {
    return clock_steady_ms() >= net->deadline_ms;
}

bool net_wait_due(struct net *net, int node) {
    while (!net_is_due(net, node) && !stop_asked() && !net_is_late(net)) {
        int64_t left_ms = net_due_ms(net, node) - clock_steady_ms();
        net_turn(net, left_ms > TURN_MS ? TURN_MS : (int)(left_ms > 0 ? left_ms : 0));
    }
    return net_is_due(net, node) && !stop_asked() && !net_is_late(net);
}

/* What a reply means for its request. */
static enum outcome outcome_of(const struct http_reply *reply, const struct problem *problem) {
    if (reply->untrusted)
        return OUTCOME_ANSWERED; /* somebody has to see to the certificates */
    if (reply->status == 0)
        return reply->unsent ? OUTCOME_NOT_DONE : OUTCOME_UNKNOWN;
    if (reply->status == 502 || reply->status == 504)
        return OUTCOME_UNKNOWN;
    if (!problem_passes(reply->status, problem->name))
        return OUTCOME_ANSWERED;
    return strcmp(problem->name, "outcome-unknown") == 0 ||
                   strcmp(problem->name, "unreachable") == 0
               ? OUTCOME_UNKNOWN
               : OUTCOME_NOT_DONE;
}

/* Whether two reasons differ in nothing but numbers, such as milliseconds that have passed. */
static bool is_same_reason(const char *one, const char *other) {
    static const char digits[] = "0123456789";
    for (;;) {
        one += strspn(one, digits);
        other += strspn(other, digits);
        if (*one == '\0' || *one != *other)
            return *one == *other;
        one++;
        other++;
    }
}

void net_put_off(struct net *net, int number, enum outcome outcome, const char *why,
                 int64_t retry_after_ms) {
    struct node *node = &net->nodes[number];
    int64_t until_ms = clock_steady_ms() + retry_after_ms;
    if (!retry_is_due(&node->retry)) { /* one of many requests that failed together: counts once */
        if (until_ms > node->retry.not_before_ms)
            node->retry.not_before_ms = until_ms;
        return;
    }
    retry_failed(&node->retry);
    int64_t delay_ms = retry_delay(&node->retry, retry_after_ms, INT64_MAX);
    if (is_same_reason(node->said, why))
        return;
    bool first = node->said[0] == '\0'; /* what comes later may be bound to this node */
    snprintf(node->said, sizeof node->said, "%s", why);
    int next = net_pick(net, NET_ANY);
    if (first && next != number && is_well(net, next) && outcome == OUTCOME_NOT_DONE)
        say("%s: %s; going on with %s", node->url, why, net->nodes[next].url);
    else
        say("%s: %s; trying again, first in %.1f s", node->url, why, (double)delay_ms / 1000);
}

void net_went_well(struct net *net, int number) {
    struct node *node = &net->nodes[number];
    int64_t seconds;
    if (retry_succeeded(&node->retry, &seconds) && node->said[0] != '\0')
        say("%s: answers again after %lld s", node->url, (long long)seconds);
    node->said[0] = '\0';
    net->current = number;
}

bool net_is_failing(const struct net *net) {
    for (int i = 0; i < net->count; i++) {
        if (net->nodes[i].said[0] != '\0')
            return true;
    }
    return false;
}

/* Says where a key goes; the node has said that it wants one. */
static void add_key_hint(struct answer *answer) {
    size_t length = strlen(answer->why);
    snprintf(answer->why + length, sizeof answer->why - length, " %s",
             answer->net->bearer ? "It goes into the file that --key-file or KEY_FILE names."
                                 : "Name the file with it by --key-file or KEY_FILE.");
}

int64_t net_failing_ms(const struct net *net, int node) {
    const struct retry *retry = &net->nodes[node].retry;
    return retry->failing ? clock_steady_ms() - retry->since_ms : 0;
}

void net_failing_since(const struct net *net, int node, char text[NET_TIME_SIZE]) {
    time_t since = (time_t)((clock_wall_ms() - net_failing_ms(net, node)) / 1000);
    struct tm broken;
    if (!localtime_r(&since, &broken) || strftime(text, NET_TIME_SIZE, "%H:%M:%S", &broken) == 0)
        text[0] = '\0';
}

/* How long a request may take. A node that is silent for long has the next one wait longer, as it
 * may be slow and no more. */
static int patience_ms(const struct net *net, int node, const struct ask *ask) {
    int64_t patience_ms = ((int64_t)PATIENCE_MS << net->nodes[node].retry.tries) +
                          (int64_t)(ask->length / BYTES_A_MS);
    if (net->count == 1 || patience_ms > REQUEST_MS)
        patience_ms = REQUEST_MS;
    return (int)patience_ms + ask->wait_seconds * 1000;
}

static void done(void *context, const struct http_reply *reply) {
    struct answer *answer = context;
    struct net *net = answer->net;
    struct problem problem = {0};
    answer->call = NULL;
    answer->over = true;
    answer->status = reply->status;
    answer->retry_after_ms = reply->retry_after_ms;
    if (reply->body)
        buffer_append(&answer->body, reply->body, reply->length + 1);
    if (reply->link)
        buffer_append(&answer->link, reply->link, strlen(reply->link) + 1);
    if (reply->status == 0)
        snprintf(answer->why, sizeof answer->why, "%s", reply->error);
    else if (reply->status > 299)
        problem_read(&problem, reply->body, reply->length, answer->why, sizeof answer->why);
    else
        snprintf(answer->why, sizeof answer->why, "%s", odd);
    answer->foreign = reply->status > 299 && problem.name[0] == '\0';
    if (reply->status > 299 && answer->why[0] == '\0')
        snprintf(answer->why, sizeof answer->why,
                 "the reply has the status %d and says no more; is it a hashmill?", reply->status);
    if (reply->status == STATUS_NO_KEY)
        add_key_hint(answer);
    answer->outcome = outcome_of(reply, &problem);
    if (answer->outcome != OUTCOME_ANSWERED)
        net_put_off(net, answer->node, answer->outcome, answer->why, answer->retry_after_ms);
    else if (answer->status > 0 && (!answer->in_lines || answer->status != 200))
        net_went_well(net, answer->node);
}

void net_start(struct net *net, int node, const struct ask *ask, struct answer *answer) {
    struct buffer url = {0};
    answer->over = false;
    answer->net = net;
    answer->node = node;
    answer->in_lines = ask->in_lines;
    answer->status = 0;
    answer->why[0] = '\0';
    buffer_clear(&answer->body);
    buffer_clear(&answer->link);
    buffer_puts(&url, net->nodes[node].url);
    buffer_append(&url, ask->path, strlen(ask->path) + 1);
    struct http_request request = {.url = url.data,
                                   .method = ask->method,
                                   .bearer = net->bearer,
                                   .type = ask->type,
                                   .header = ask->header,
                                   .body = ask->body,
                                   .length = ask->length,
                                   .timeout_ms = patience_ms(net, node, ask),
                                   .done = done,
                                   .context = answer};
    answer->call = http_post(net->http, &request);
    buffer_free(&url);
}

void net_each_turn(struct net *net, int64_t (*turn)(void *context), void *context) {
    net->turn = turn;
    net->turn_context = context;
}

void net_turn(struct net *net, int most_ms) {
    struct http_watch watch = {.fd = stop_descriptor()};
    int due_ms = net->turn ? clock_timeout_ms(net->turn(net->turn_context)) : most_ms;
    most_ms = due_ms < most_ms ? due_ms : most_ms;
    http_wait(net->http, &watch, watch.fd >= 0 ? 1 : 0, most_ms);
}

void net_pause(struct net *net, int64_t until_ms) {
    while (clock_steady_ms() < until_ms && !stop_asked() && !net_is_late(net))
        net_turn(net, clock_timeout_ms(until_ms < net->deadline_ms ? until_ms : net->deadline_ms));
}

void net_finish(struct net *net, struct answer *answer) {
    while (!answer->over && !stop_asked() && !net_is_late(net))
        net_turn(net, clock_timeout_ms(net->deadline_ms < INT64_MAX ? net->deadline_ms
                                                                    : clock_steady_ms() + TURN_MS));
    if (answer->over)
        return;
    http_abort(net->http, answer->call);
    answer->call = NULL;
    answer->over = true;
    answer->outcome = stop_asked() ? OUTCOME_INTERRUPTED : OUTCOME_UNKNOWN;
    snprintf(answer->why, sizeof answer->why, "no reply yet");
}

int net_call(struct net *net, int owner, const struct ask *ask, struct answer *answer) {
    for (;;) {
        int node = net_pick(net, owner);
        if (!net_wait_due(net, node))
            return stop_asked() ? CLIENT_INTERRUPTED : CLIENT_LATER;
        net_start(net, node, ask, answer);
        net_finish(net, answer);
        if (answer->outcome == OUTCOME_ANSWERED)
            return CLIENT_DONE;
        if (answer->outcome == OUTCOME_INTERRUPTED)
            return CLIENT_INTERRUPTED;
    }
}

void net_ask_all(struct net *net, const struct ask *ask, struct answer answers[]) {
    for (int node = 0; node < net->count; node++)
        net_start(net, node, ask, &answers[node]);
    for (int node = 0; node < net->count; node++)
        net_finish(net, &answers[node]);
}

bool answer_is_not_done(const struct answer *answer) {
    return answer->outcome == OUTCOME_NOT_DONE ||
           (answer->outcome == OUTCOME_ANSWERED && status_is_refusal(answer->status));
}

int answer_exit(const struct answer *answer) {
    if (answer->status >= 200 && answer->status <= 299)
        return CLIENT_DONE;
    if (answer->status == 401 || answer->status == 403)
        return CLIENT_REFUSED;
    return answer->status == 404 && !answer->foreign ? CLIENT_UNKNOWN_ID : CLIENT_FAILED;
}

int answer_judge(const struct answer *answer, const char *what) {
    int code = answer_exit(answer);
    if (code != CLIENT_DONE)
        say("%s: %s", what, answer->why);
    return code;
}

int net_need(struct net *net, int owner, const struct ask *ask, struct answer *answer,
             const char *what) {
    int code = net_call(net, owner, ask, answer);
    if (code == CLIENT_LATER)
        say("%s: the time of --timeout is over", what);
    return code == CLIENT_DONE ? answer_judge(answer, what) : code;
}

bool answer_json(const struct answer *answer, struct json *json) {
    const char *why;
    size_t length = answer->body.length > 0 ? answer->body.length - 1 : 0;
    if (length > 0 && json_parse(json, answer->body.data, length, &why))
        return true;
    answer_odd(answer);
    return false;
}

bool answer_list(const struct answer *answer, struct json *json) {
    if (!answer_json(answer, json))
        return false;
    if (json_array_size(json, 0) < 0)
        answer_odd(answer);
    return json_array_size(json, 0) >= 0;
}

void answer_odd(const struct answer *answer) {
    say("%s: %s", answer->net->nodes[answer->node].url, odd);
}

void answer_free(struct answer *answer) {
    buffer_free(&answer->body);
    buffer_free(&answer->link);
}
