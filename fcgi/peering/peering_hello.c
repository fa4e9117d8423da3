/* The heartbeat to the peer, each second: this node's database, and the loans that it has or wants.
 */

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "peering_parts.h"
#include "queue/fields.h"

enum {
    HELLO_MS = 1000,
    HELLO_TIMEOUT_MS = 2000,
    TTL_SECONDS_MAX = 86400, /* a longer one is invalid */
    WARN_MS = 60 * 60 * 1000
};

static const char what[] = "hello";

/* Names the loans that this node has from the peer, or wants. */
static void name_loans(const struct queue_peers *peers, struct queue_hello *hello) {
    hello->count = 0;
    for (int i = 0; i < peers->loan_count; i++) {
        const struct queue_loan *loan = &peers->loans[i];
        if (loan->side == LOAN_TAKEN && loan->node == hello->node)
            hello->loans[hello->count++] = loan->id;
    }
}

/* Names the machines of this node: their tokens count at the peer, too. */
static void name_machines(const struct queue_peers *peers, struct queue_hello *hello) {
    hello->machine_count = peers->machine_count;
    memcpy(hello->machines, peers->machines, sizeof hello->machines);
}

/* Whether the last hello named a loan. */
static bool is_named(const struct queue_hello *hello, struct uuid id) {
    for (int i = 0; i < hello->count; i++) {
        if (memcmp(&hello->loans[i], &id, sizeof id) == 0)
            return true;
    }
    return false;
}

/* Whether a wanted loan was not in the last hello. */
static bool wants_news(const struct peering *peering) {
    const struct queue_peers *peers = &peering->peers;
    for (int i = 0; i < peers->loan_count; i++) {
        const struct queue_loan *loan = &peers->loans[i];
        if (loan->side == LOAN_TAKEN && loan->state == LOAN_WANTED &&
            loan->node == peering->conf->peer.node &&
            !is_named(&peering->hello.heard.sent, loan->id))
            return true;
    }
    return false;
}

/* Reads whether the hello counts, and the nonce for the next one. */
static bool read_nonce(struct peering *peering, bool *counts) {
    const struct json *json = &peering->json;
    return json_boolean(json, json_member(json, 0, "counts"), counts) &&
           json_integer(json, json_member(json, 0, "nonce"), 0, INT64_MAX, &peering->hello.nonce);
}

/* Reads how long each loan holds, in the order of the hello. */
static bool read_loans(struct peering *peering) {
    const struct json *json = &peering->json;
    struct queue_heard *heard = &peering->hello.heard;
    int array = json_member(json, 0, "loans");
    if (json_array_size(json, array) != heard->sent.count)
        return false;
    int token = json_first(json, array);
    for (int i = 0; i < heard->sent.count; i++) {
        struct uuid id;
        double seconds;
        if (!fields_read_id(json, json_member(json, token, "loan"), &id) ||
            memcmp(&id, &heard->sent.loans[i], sizeof id) != 0 ||
            !json_positive(json, json_member(json, token, "ttl"), &seconds) ||
            seconds > TTL_SECONDS_MAX)
            return false;
        heard->answer.ttl_ms[i] = (int64_t)(seconds * 1000);
        token = json_next(json, token);
    }
    heard->answer.count = heard->sent.count;
    return true;
}

/* Reads whether the peer tells clients apart, which a node of a former version does not say. Where
 * this node has KEYS it warns of a peer that does not, or has none. */
static void read_clients(struct peering *peering) {
    const struct json *json = &peering->json;
    const struct conf *conf = peering->conf;
    struct hello *hello = &peering->hello;
    bool told_apart = hello->clients;
    bool keys = false;
    hello->told = true;
    hello->clients = false;
    json_boolean(json, json_member(json, 0, "clients"), &hello->clients);
    json_boolean(json, json_member(json, 0, "keys"), &keys);
    if (hello->clients != told_apart)
        hello->next_warning_ms = 0; /* another one is due */
    if (!conf->keys || (hello->clients && keys) || hello->next_warning_ms > clock_steady_ms())
        return;
    hello->next_warning_ms = clock_steady_ms() + WARN_MS;
    if (hello->clients)
        log_warn("node %d has no KEYS, and node %d has: set the same KEYS on both. Until then "
                 "everybody at node %d does as they like with its items, and sees the replica of "
                 "node %d while that is away",
                 conf->peer.node, (int)conf->node, conf->peer.node, (int)conf->node);
    else
        log_warn("node %d is of a version that does not tell clients apart: upgrade it. Until then "
                 "clients of node %d get nothing of it",
                 conf->peer.node, (int)conf->node);
}

/* Another database has replaced this one at the peer: this server must stop. */
static void be_superseded(struct peering *peering) {
    log_error(
        "node %d knows a newer database of node %d than this one: this server stops. Before it "
        "is started again hashmill-fcgi --init fetches the newer one, if node %d has it",
        peering->conf->peer.node, (int)peering->conf->node, peering->conf->peer.node);
    peering->superseded = true;
}

/* Reads the reply. False with the reason; *again when the hello must be repeated at once. */
static bool read_hello(struct peering *peering, const struct http_reply *reply, bool *again,
                       char *why, size_t why_size) {
    bool counts = true;
    bool told = peering->hello.answered; /* its answer had the nonce */
    if (!peering_read_reply(peering, reply, why, why_size)) {
        if (peering_is_problem(peering, reply, 409, "superseded"))
            be_superseded(peering);
        return false;
    }
    read_clients(peering);
    if (!read_nonce(peering, &counts) || (counts && !read_loans(peering))) {
        snprintf(why, why_size, "it does not speak of what counts, or of the loans");
        return false;
    }
    *again = !counts && !told;
    if (counts || *again)
        return true;
    snprintf(why, why_size,
             "its last answer was to another: it was restored, or another node has NODE %d",
             (int)peering->conf->node);
    return false;
}

static void take_hello(void *context, const struct http_reply *reply) {
    struct peering *peering = context;
    struct hello *hello = &peering->hello;
    char why[300];
    bool again = false;
    bool away = peering_is_away(peering);
    hello->call = NULL;
    hello->answered = read_hello(peering, reply, &again, why, sizeof why);
    if (!hello->answered) {
        peering_failed(peering, &hello->retry, what, why);
        return;
    }
    if (again) {
        hello->next_ms = 0;
        return;
    }
    peering_succeeded(peering, &hello->retry, what);
    if (queue_heard(peering->queue, &hello->heard) != QUEUE_OK)
        return; /* the writer has logged why; the next hello comes soon */
    if (away) {
        peering->stream.retry.not_before_ms = 0;
        peering->settling.not_before_ms = 0;
    }
    peering_look(peering);
}

static void put_machines(struct buffer *body, const struct queue_hello *hello) {
    json_name(body, "machines");
    json_open(body, '[');
    for (int i = 0; i < hello->machine_count; i++) {
        json_put_string(body, hello->machines[i]);
    }
    json_close(body, ']');
}

static void say_hello(struct peering *peering, int64_t clock_ms) {
    struct hello *hello = &peering->hello;
    struct queue_hello *sent = &hello->heard.sent;
    struct buffer *body = peering_begin(peering);
    hello->heard.clock_ms = clock_ms;
    *sent = (struct queue_hello){.node = peering->conf->peer.node,
                                 .nonce = hello->nonce,
                                 .identity = peering->peers.identity};
    name_loans(&peering->peers, sent);
    name_machines(&peering->peers, sent);
    fields_put_id(body, "database", sent->identity.database);
    fields_put_integer(body, "epoch", sent->identity.epoch);
    fields_put_integer(body, "nonce", hello->nonce);
    json_name(body, "loans");
    json_open(body, '[');
    for (int i = 0; i < sent->count; i++)
        fields_put_id(body, NULL, sent->loans[i]);
    json_close(body, ']');
    put_machines(body, sent);
    hello->call = peering_post_hello(peering, HELLO_TIMEOUT_MS, take_hello);
    hello->next_ms = clock_steady_ms() + HELLO_MS;
}

void peering_hello_turn(struct peering *peering) {
    struct queue_tally tally;
    struct hello *hello = &peering->hello;
    bool due = hello->next_ms <= clock_steady_ms() || wants_news(peering);
    if (!peering->known || peering->stopping || !due || hello->call)
        return;
    if (queue_tally(peering->queue, &queue_everybodys, &tally) == QUEUE_OK)
        say_hello(peering, tally.clock_ms);
}
