/* Says to each peer, every second, that this node is there and which loans it has or wants. */

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "peering_parts.h"
#include "queue/fields.h"

enum {
    HELLO_MS = 1000,
    HELLO_TIMEOUT_MS = 2000,
    TTL_SECONDS_MAX = 86400 /* more is not believed */
};

static const char what[] = "hello";

/* Names the loans that this node has, or wants, of the peer. */
static void name_loans(const struct queue_peers *peers, struct queue_hello *hello) {
    hello->count = 0;
    for (int i = 0; i < peers->loan_count; i++) {
        const struct queue_loan *loan = &peers->loans[i];
        if (loan->side == LOAN_TAKEN && loan->node == hello->node)
            hello->loans[hello->count++] = loan->id;
    }
}

/* Whether the last hello named a loan. */
static bool is_named(const struct queue_hello *hello, struct uuid id) {
    for (int i = 0; i < hello->count; i++) {
        if (memcmp(&hello->loans[i], &id, sizeof id) == 0)
            return true;
    }
    return false;
}

/* Whether a loan is wanted that the peer was not asked for yet. */
static bool wants_news(const struct link *link) {
    const struct queue_peers *peers = &link->peering->peers;
    for (int i = 0; i < peers->loan_count; i++) {
        const struct queue_loan *loan = &peers->loans[i];
        if (loan->side == LOAN_TAKEN && loan->state == LOAN_WANTED &&
            loan->node == link->peer->node && !is_named(&link->heard.sent, loan->id))
            return true;
    }
    return false;
}

/* Reads whether the hello counts, and what the next has to say for that. */
static bool read_nonce(struct link *link, bool *counts) {
    const struct json *json = &link->peering->json;
    return json_boolean(json, json_member(json, 0, "counts"), counts) &&
           json_integer(json, json_member(json, 0, "nonce"), 0, INT64_MAX, &link->nonce);
}

/* Reads for how long each loan holds, in the order in which they were named. */
static bool read_loans(struct link *link) {
    const struct json *json = &link->peering->json;
    const struct queue_hello *sent = &link->heard.sent;
    int array = json_member(json, 0, "loans");
    if (json_array_size(json, array) != sent->count)
        return false;
    int token = json_first(json, array);
    for (int i = 0; i < sent->count; i++) {
        struct uuid id;
        double seconds;
        if (!fields_read_id(json, json_member(json, token, "loan"), &id) ||
            memcmp(&id, &sent->loans[i], sizeof id) != 0 ||
            !json_positive(json, json_member(json, token, "ttl"), &seconds) ||
            seconds > TTL_SECONDS_MAX)
            return false;
        link->heard.answer.ttl_ms[i] = (int64_t)(seconds * 1000);
        token = json_next(json, token);
    }
    link->heard.answer.count = sent->count;
    return true;
}

static void take_hello(void *context, const struct http_reply *reply) {
    struct link *link = context;
    char why[300];
    bool counts = true;
    bool told = link->answered; /* what counts */
    bool good = peering_read_reply(link, reply, why, sizeof why);
    link->hello_call = NULL;
    if (good && (!read_nonce(link, &counts) || (counts && !read_loans(link)))) {
        snprintf(why, sizeof why, "it does not speak of what counts, or of the loans");
        good = false;
    }
    link->answered = good;
    if (good && !counts && !told) {
        link->next_hello_ms = 0; /* it is said again with what counts */
        return;
    }
    if (good && !counts) {
        snprintf(why, sizeof why,
                 "its last answer was to another: it was restored, or another node has NODE %d",
                 (int)link->peering->conf->node);
        good = false;
    }
    if (!good) {
        peering_fare_badly(link, &link->hello, what, why);
        return;
    }
    peering_fare_well(link, &link->hello, what);
    if (queue_heard(link->peering->queue, &link->heard) != QUEUE_OK)
        return; /* it says so in its own log; the next hello comes soon */
    bool back = peering_is_away(link);
    link->heard_ms = clock_steady_ms();
    link->away = false;
    if (back) {
        link->transfer.not_before_ms = 0;
        if (link == link->peering->links)
            link->peering->copying.fare.not_before_ms = 0;
    }
    peering_look(link->peering);
}

static void say_hello(struct link *link, int64_t clock_ms) {
    struct queue_hello *hello = &link->heard.sent;
    struct buffer *body = peering_begin(link->peering);
    link->heard.clock_ms = clock_ms;
    *hello = (struct queue_hello){.node = link->peer->node, .nonce = link->nonce};
    name_loans(&link->peering->peers, hello);
    fields_put_integer(body, "nonce", link->nonce);
    json_name(body, "loans");
    json_open(body, '[');
    for (int i = 0; i < hello->count; i++)
        fields_put_id(body, NULL, hello->loans[i]);
    json_close(body, ']');
    link->hello_call = peering_post(link, "/peer/hello", HELLO_TIMEOUT_MS, take_hello, link);
    link->next_hello_ms = clock_steady_ms() + HELLO_MS;
}

void peering_hello_turn(struct peering *peering) {
    struct queue_tally tally;
    bool told_time = false;
    for (int i = 0; i < peering->link_count && peering->known; i++) {
        struct link *link = &peering->links[i];
        bool due = link->next_hello_ms <= clock_steady_ms() || wants_news(link);
        if (!due || link->hello_call)
            continue;
        if (!told_time && queue_tally(peering->queue, &tally) != QUEUE_OK)
            return;
        told_time = true;
        say_hello(link, tally.clock_ms);
    }
}
