/* What clients and workers do: each act is a fiber that talks to a node until it knows the outcome,
 * or gives up. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "hex.h"
#include "json.h"
#include "oracle.h"
#include "queue/fields.h"
#include "queue/id.h"

enum {
    TRIES = 12,        /* of a client with a key */
    RETRY_US = 700000, /* between them */
    LEASED_MAX = 40,
    UNDER_WAY_MAX = 24
};

int64_t client_operations;
static int under_way;

/* One request of a client and what came of it. */
struct exchange {
    struct fiber *fiber;
    bool over;
    int status; /* 0: no answer */
    struct buffer body;
};

struct job {
    enum act act;
    struct dice dice;
    struct pull *pull;
    int node;
};

int clients_under_way(void) {
    return under_way;
}

static void take_answer(struct arrival *arrival, int status, const char *body, size_t length) {
    struct exchange *exchange = arrival->context;
    exchange->over = true;
    exchange->status = status;
    buffer_clear(&exchange->body);
    buffer_append(&exchange->body, body ? body : "", length);
    buffer_append(&exchange->body, "", 1);
    fiber_wake(exchange->fiber);
}

static void come(void *context) {
    arrival_come(context);
}

/* Sends a request and waits for its answer; some requests never come, some answers are lost. */
static void send_and_wait(struct arrival *arrival, struct exchange *exchange) {
    int64_t at_us;
    client_operations++;
    exchange->fiber = fiber_self();
    exchange->over = false;
    exchange->status = 0;
    arrival->answer = take_answer;
    arrival->context = exchange;
    if (!network_fate(arrival->node, &at_us)) {
        buffer_free(&arrival->body);
        free(arrival);
        fiber_sleep(1000000);
        return;
    }
    event_at(sim_now_us + (at_us - sim_now_us) / 8, come, arrival);
    sim_trace("client %u asks node %d: %s %s?%s %s %.*s", fiber_number(), arrival->node,
              arrival->method, arrival->path, arrival->query,
              arrival->parameters[0] ? arrival->parameters[0] : "",
              arrival->body.length < 300 ? (int)arrival->body.length : 300,
              arrival->body.data ? arrival->body.data : "");
    while (!exchange->over)
        fiber_wait(NULL, 0, INT64_MAX);
    sim_trace("client %u is answered: %d %.300s", fiber_number(), exchange->status,
              exchange->body.data);
}

static struct arrival *begin(int node, enum door door, const char *method, const char *path) {
    struct arrival *arrival = arrival_new(node, door);
    snprintf(arrival->method, sizeof arrival->method, "%s", method);
    snprintf(arrival->path, sizeof arrival->path, "%s", path);
    return arrival;
}

static bool is_lost(struct dice *dice) {
    return network.loss > 0 && dice_below(dice, 1000) < network.loss;
}

/* --- Enqueues --- */

static void try_enqueue(struct record *record, struct exchange *exchange) {
    struct arrival *arrival = begin(record->node, DOOR_PUBLIC, "PUT", "/enqueue");
    snprintf(arrival->query, sizeof arrival->query, "iterations=%d", record->iterations);
    if (record->key[0] != '\0')
        arrival_header(arrival, "HTTP_IDEMPOTENCY_KEY", record->key);
    arrival_header(arrival, "HTTP_ACCEPT", "text/plain");
    buffer_printf(&arrival->body, "work %u", record->number);
    send_and_wait(arrival, exchange);
}

static void enqueue(struct job *job, bool keyed, struct exchange *exchange) {
    struct dice *dice = &job->dice;
    int iterations = dice_one_in(dice, 5) ? 1 : 1 + dice_below(dice, ITERATIONS_MAX);
    struct record *record = oracle_record(dice_below(dice, NODES), iterations, keyed);
    for (int tries = 0; tries < (keyed ? TRIES : 1); tries++) {
        char text[ID_TEXT_SIZE];
        struct uuid id;
        try_enqueue(record, exchange);
        if (exchange->status == 201 && !(keyed && is_lost(dice))) {
            snprintf(text, sizeof text, "%.36s", exchange->body.data);
            if (!id_parse(&id, text))
                sim_fail("an enqueue is answered without an id");
            oracle_enqueued(record, id);
            if (dice_one_in(dice, 4))
                compare_held(&nodes[record->node], id);
            if (!keyed || !dice_one_in(dice, 6))
                return;
        } else if (exchange->status == 422 && !record->excused) {
            sim_fail("the key of enqueue %u is said to be used", record->number);
        }
        fiber_sleep(dice_below(dice, RETRY_US));
    }
}

/* --- Pulls --- */

static bool try_pull(struct pull *pull, struct exchange *exchange) {
    struct arrival *arrival = begin(pull->node, DOOR_PUBLIC, "POST", "/pullCompleted");
    snprintf(arrival->query, sizeof arrival->query, "top=%d&order=%s", pull->top,
             pull->oldest ? "oldest" : "latest");
    if (pull->keyed)
        arrival_header(arrival, "HTTP_IDEMPOTENCY_KEY", pull->key);
    arrival_header(arrival, "HTTP_ACCEPT", "text/plain");
    bool first = pull->count == 0;
    send_and_wait(arrival, exchange);
    if (exchange->status == 422 && !pull->excused)
        sim_fail("the key of pull %d is said to be used", pull->number);
    if (exchange->status == 410 && !pull->excused && !oracle_retention)
        sim_fail("pull %d is said to be too old", pull->number);
    if (exchange->status != 200) {
        pull->unanswered = true;
        return false;
    }
    oracle_pulled(pull, exchange->body.data, first);
    return true;
}

static int draw_top(struct dice *dice) {
    static const int tops[] = {1, 3, 10, 30, 250};
    return 1 + dice_below(dice, tops[dice_below(dice, 5)]);
}

static void pull_without(struct job *job, struct exchange *exchange) {
    struct dice *dice = &job->dice;
    struct pull *pull =
        oracle_pull(dice_below(dice, NODES), draw_top(dice), dice_one_in(dice, 2), false);
    try_pull(pull, exchange);
}

static void pull_until_answered(struct pull *pull, struct dice *dice, struct exchange *exchange) {
    for (int tries = 0; tries < TRIES; tries++) {
        if (try_pull(pull, exchange) && !dice_one_in(dice, 6))
            return;
        fiber_sleep(dice_below(dice, RETRY_US));
    }
}

/* --- Looks and cancels --- */

static struct record *draw_record(struct dice *dice) {
    int count = oracle_records();
    if (count == 0)
        return NULL;
    int recent = dice_one_in(dice, 2) && count > 20 ? 20 : count;
    struct record *record = oracle_record_at(count - 1 - dice_below(dice, recent));
    return record->acked ? record : NULL;
}

static void cancel(struct job *job, struct exchange *exchange) {
    struct record *record = draw_record(&job->dice);
    char path[64];
    char text[ID_TEXT_SIZE];
    if (!record)
        return;
    int node = dice_below(&job->dice, NODES);
    id_format(text, record->id);
    snprintf(path, sizeof path, "/items/%s", text);
    send_and_wait(begin(node, DOOR_PUBLIC, "DELETE", path), exchange);
    if (exchange->status == 204)
        oracle_cancelled(record);
    else if (exchange->status == 404)
        oracle_missing(record);
    else if (exchange->status == 503 || exchange->status == 0)
        record->may_be_cancelled = true;
}

static void look(struct job *job, struct exchange *exchange) {
    static struct json json;
    struct record *record = draw_record(&job->dice);
    char path[64];
    char text[ID_TEXT_SIZE];
    char state[12];
    char hex[2 * DIGEST_SIZE + 1];
    uint8_t value[DIGEST_SIZE];
    int64_t remaining;
    const char *why;
    if (!record)
        return;
    bool wait = dice_one_in(&job->dice, 3);
    bool cancelled = record->cancelled; /* else the answer may be from before a cancel */
    id_format(text, record->id);
    snprintf(path, sizeof path, "/items/%s", text);
    struct arrival *arrival =
        begin(dice_below(&job->dice, NODES), wait ? DOOR_PUBLIC_WAIT : DOOR_PUBLIC, "GET", path);
    if (wait)
        snprintf(arrival->query, sizeof arrival->query, "wait=%d", dice_below(&job->dice, 4));
    send_and_wait(arrival, exchange);
    if (exchange->status == 404)
        oracle_missing(record);
    if (exchange->status != 200)
        return;
    if (!json_parse(&json, exchange->body.data, exchange->body.length - 1, &why) ||
        !json_string(&json, json_member(&json, 0, "state"), state, sizeof state) ||
        !json_integer(&json, json_member(&json, 0, "remaining"), 0, INT64_MAX, &remaining))
        sim_fail("a look is answered with something else");
    bool has_value = json_string(&json, json_member(&json, 0, "value"), hex, sizeof hex) &&
                     hex_decode(value, DIGEST_SIZE, hex, strlen(hex));
    bool is_late = json_member(&json, 0, "as_of") >= 0;
    if (!is_late || has_value)
        oracle_seen(record, cancelled && !is_late ? state : NULL, has_value ? value : NULL,
                    (int)remaining);
}

/* --- Workers --- */

struct leased {
    struct uuid id;
    int remaining;
    uint8_t chain[DIGEST_SIZE];
};

static void put_worker(struct buffer *body, int number) {
    buffer_printf(body,
                  "{\"protocol\":1,\"worker\":{\"name\":\"worker-%d\",\"kernel\":\"sim\","
                  "\"cores\":4,\"rate\":1000}",
                  number);
}

/* Leases some items. How many; lease gets its id. */
static int lease_some(int node, struct dice *dice, int worker, struct leased leased[LEASED_MAX],
                      char lease[ID_TEXT_SIZE], struct exchange *exchange) {
    static struct json json;
    struct arrival *arrival = begin(node, DOOR_WORKER_WAIT, "POST", "/lease");
    struct uuid request = {0};
    const char *why;
    dice_bytes(dice, &request, sizeof request);
    id_format(lease, request);
    arrival_header(arrival, "HTTP_AUTHORIZATION", "Bearer a token of workers");
    put_worker(&arrival->body, worker);
    buffer_printf(&arrival->body,
                  ",\"request\":\"%s\",\"items\":%d,\"iterations\":1000,\"wait\":%d}", lease,
                  1 + dice_below(dice, LEASED_MAX), dice_below(dice, 3));
    send_and_wait(arrival, exchange);
    if (exchange->status != 200 ||
        !json_parse(&json, exchange->body.data, exchange->body.length - 1, &why))
        return 0;
    int array = json_member(&json, 0, "items");
    int count = json_array_size(&json, array);
    int token = json_first(&json, array);
    for (int i = 0; i < count; i++, token = json_next(&json, token)) {
        int64_t remaining;
        if (!fields_read_id(&json, json_member(&json, token, "id"), &leased[i].id) ||
            !fields_read_digest(&json, json_member(&json, token, "chain"), leased[i].chain) ||
            !json_integer(&json, json_member(&json, token, "remaining"), 0, INT64_MAX, &remaining))
            sim_fail("a lease is answered with something else");
        leased[i].remaining = (int)remaining;
    }
    return count;
}

/* Computes until `left` iterations remain, and reports that. */
static void put_report(struct buffer *body, struct leased *item, const char *lease, int left,
                       bool release) {
    char text[ID_TEXT_SIZE];
    char hex[2 * DIGEST_SIZE];
    id_format(text, item->id);
    for (; item->remaining > left; item->remaining--)
        oracle_hash(item->chain, item->chain, DIGEST_SIZE);
    hex_encode(hex, item->chain, DIGEST_SIZE);
    buffer_printf(body, "%s{\"id\":\"%s\",\"lease\":\"%s\",\"chain\":\"%.*s\",\"remaining\":%d%s}",
                  body->data[body->length - 1] == '[' ? "" : ",", text, lease, 2 * DIGEST_SIZE, hex,
                  left, release ? ",\"release\":true" : "");
}

static void report(int node, struct dice *dice, int worker, struct leased *leased, int count,
                   const char *lease, bool badly, struct exchange *exchange) {
    struct arrival *arrival = begin(node, DOOR_WORKER, "POST", "/results");
    bool some = dice_one_in(dice, 6);
    arrival_header(arrival, "HTTP_AUTHORIZATION", "Bearer a token of workers");
    put_worker(&arrival->body, worker);
    buffer_printf(&arrival->body, ",\"items\":[");
    for (int i = 0; i < count; i++) {
        bool part = some && dice_one_in(dice, 2) && leased[i].remaining > 0;
        int left = part ? dice_below(dice, leased[i].remaining + 1) : 0;
        put_report(&arrival->body, &leased[i], lease, left, part && dice_one_in(dice, 2));
    }
    buffer_printf(&arrival->body, "]}");
    send_and_wait(arrival, exchange);
    if (badly && exchange->status == 200 && !strstr(exchange->body.data, "\"taken\":[]"))
        sim_fail("a report under another lease is taken: %s", exchange->body.data);
}

static int work(int node, struct dice *dice, bool badly, struct exchange *exchange) {
    struct leased leased[LEASED_MAX];
    char lease[ID_TEXT_SIZE];
    int worker = dice_below(dice, 5);
    int count = lease_some(node, dice, worker, leased, lease, exchange);
    if (count == 0)
        return 0;
    if (badly) {
        int how = dice_below(dice, 3);
        char other[ID_TEXT_SIZE] = "00000000-0000-4000-8000-000000000001";
        if (how == 0)
            return count; /* it dies; the lease lapses */
        if (how == 1)
            fiber_sleep(12000000); /* it is late */
        else
            report(node, dice, worker, leased, count, other, true, exchange);
    }
    fiber_sleep(dice_below(dice, 20000));
    report(node, dice, worker, leased, count, lease, false, exchange);
    return count;
}

/* --- Acts --- */

static void run_act(void *context) {
    struct job *job = context;
    struct exchange exchange = {0};
    switch (job->act) {
    case ACT_ENQUEUE:
    case ACT_ENQUEUE_KEYED:
        enqueue(job, job->act == ACT_ENQUEUE_KEYED, &exchange);
        break;
    case ACT_WORK:
    case ACT_WORK_BADLY:
        work(job->node, &job->dice, job->act == ACT_WORK_BADLY, &exchange);
        break;
    case ACT_PULL:
        pull_without(job, &exchange);
        break;
    case ACT_PULL_KEYED:
    case ACT_REPEAT:
        pull_until_answered(job->pull, &job->dice, &exchange);
        break;
    case ACT_CANCEL:
        cancel(job, &exchange);
        break;
    case ACT_LOOK:
        look(job, &exchange);
        break;
    }
    buffer_free(&exchange.body);
    free(job);
    under_way--;
}

static void start(const struct job *from) {
    struct job *job = malloc(sizeof *job);
    if (!job)
        abort();
    *job = *from;
    under_way++;
    fiber_start(NOBODY, "client", run_act, job);
}

/* A keyed pull that was answered before. */
static struct pull *draw_pull(struct dice *dice) {
    int count = oracle_pulls();
    struct pull *pull = count > 0 ? oracle_pull_at(dice_below(dice, count)) : NULL;
    return pull && pull->keyed && pull->answered && !oracle_retention ? pull : NULL;
}

void client_act(enum act act, uint64_t seed) {
    struct job job = {.act = act, .dice = {seed}};
    if (under_way >= UNDER_WAY_MAX)
        return;
    job.node = dice_below(&job.dice, NODES);
    if (act == ACT_PULL_KEYED)
        job.pull = oracle_pull(job.node, draw_top(&job.dice), dice_one_in(&job.dice, 2), true);
    else if (act == ACT_REPEAT && !(job.pull = draw_pull(&job.dice)))
        return;
    start(&job);
    if (job.pull && dice_one_in(&job.dice, 6)) { /* the same, at the same time */
        job.dice.state++;
        start(&job);
    }
}

void client_enqueue(void *seed) {
    client_act(ACT_ENQUEUE, *(const uint64_t *)seed);
}

/* --- The end --- */

struct finish {
    int node;
    bool over;
};

static void insist(struct pull *pull, struct exchange *exchange) {
    for (int tries = 0; tries < 40; tries++) {
        if (try_pull(pull, exchange))
            return;
        if (exchange->status == 410)
            return;
        fiber_sleep(RETRY_US);
    }
    if (pull->excused) /* what the other node had set aside for it may be lost */
        return;
    if (pull->answered && oracle_retention) /* the other node may keep its part for fewer days */
        return;
    sim_fail("at rest, pull %d at node %d is answered by status %d: %s", pull->number, pull->node,
             exchange->status, exchange->body.data);
}

/* Works until all items are done, repeats keyed pulls until they are answered, then pulls until
 * nothing is left. */
static void finish_node(void *context) {
    struct finish *finish = context;
    struct exchange exchange = {0};
    struct dice dice = {(uint64_t)finish->node + 99};
    struct look look;
    struct pull *pull;
    do {
        if (work(finish->node, &dice, false, &exchange) == 0)
            fiber_sleep(RETRY_US);
    } while (!look_at(&nodes[finish->node], "", &look) || look.to_do > 0);
    for (int i = 0; i < oracle_pulls(); i++) {
        pull = oracle_pull_at(i);
        if (pull->keyed && pull->node == finish->node &&
            (pull->unanswered || !pull->answered || pull->count == 0 || pull->excused))
            insist(pull, &exchange);
    }
    do {
        pull = oracle_pull(finish->node, 100, true, true);
        insist(pull, &exchange);
    } while (pull->count > 0);
    buffer_free(&exchange.body);
    finish->over = true;
}

void clients_finish(void) {
    static struct finish finish[NODES];
    for (int i = 0; i < NODES; i++) {
        finish[i] = (struct finish){.node = i};
        fiber_start(NOBODY, "finish", finish_node, &finish[i]);
    }
    int64_t until_us = sim_now_us + INT64_C(1200000000);
    while (!(finish[0].over && finish[1].over) && sim_now_us < until_us)
        sim_run_until(sim_now_us + 1000000);
    if (!finish[0].over || !finish[1].over)
        sim_fail("at rest, the work does not end");
}
