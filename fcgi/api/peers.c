/* The calls by which nodes help each other. All are answered from this node's own database and
 * never passed on, so that no question goes in circles. */

#include "api.h"
#include "http/problem.h"
#include "peering/peer_json.h"
#include "peers_input.h"
#include "queue/fields.h"

/* Begins a 200 that says who answers. */
static struct buffer *begin_reply(struct call *call) {
    struct buffer *body = &call->server->reply.body;
    reply_begin(&call->server->reply, 200, "application/json");
    json_open(body, '{');
    fields_put_integer(body, "node", call->server->conf->node);
    return body;
}

/* Counts this node's done items. False with the problem in place. */
static bool count_done(struct call *call, int64_t *done) {
    struct queue_tally tally;
    enum queue_result result = queue_tally(call->server->queue, &tally);
    if (result == QUEUE_OK)
        *done = tally.items[ITEM_DONE];
    else
        problem_of_read(&call->server->reply, result);
    return result == QUEUE_OK;
}

static void put_loans(struct buffer *body, const struct queue_hello *hello,
                      const struct queue_hello_answer *answer) {
    json_name(body, "loans");
    json_open(body, '[');
    for (int i = 0; i < answer->count; i++) {
        json_open(body, '{');
        fields_put_id(body, "loan", hello->loans[i]);
        json_name(body, "ttl");
        json_put_number(body, (double)answer->ttl_ms[i] / 1000);
        json_close(body, '}');
    }
    json_close(body, ']');
}

void api_peer_hello(struct call *call) {
    struct queue_hello hello = {0};
    struct queue_hello_answer answer = {0};
    int64_t done;
    if (!peers_read_hello(call, &hello))
        return;
    enum queue_result result = queue_hello(call->server->queue, &hello, &answer);
    if (result == QUEUE_OK && answer.count != (answer.counts ? hello.count : 0))
        result = QUEUE_FAULT;
    if (result != QUEUE_OK) {
        problem_of_change(&call->server->reply, result);
    } else if (count_done(call, &done)) {
        struct buffer *body = begin_reply(call);
        fields_put_integer(body, "done", done);
        json_name(body, "counts");
        json_put_boolean(body, answer.counts);
        fields_put_integer(body, "nonce", answer.nonce);
        put_loans(body, &hello, &answer);
        json_close(body, '}');
    }
}

void api_peer_copies(struct call *call) {
    struct queue_copies *copies = &call->server->copies;
    if (!peers_read_copies(call, copies))
        return;
    enum queue_result result = queue_merge(call->server->queue, copies);
    if (result == QUEUE_OK)
        reply_begin(&call->server->reply, 204, NULL);
    else
        problem_of_change(&call->server->reply, result);
}

void api_peer_done(struct call *call) {
    int32_t node;
    int64_t done;
    if (!peers_read_node(call, &node) || !count_done(call, &done))
        return;
    struct buffer *body = begin_reply(call);
    fields_put_integer(body, "done", done);
    json_close(body, '}');
}

void api_peer_items(struct call *call) {
    struct queue_copies *copies = &call->server->copies;
    int64_t seq;
    if (!peers_read_items(call, &seq))
        return;
    enum queue_result result = queue_items(call->server->queue, &seq, copies);
    if (result != QUEUE_OK) {
        problem_of_read(&call->server->reply, result);
        return;
    }
    struct buffer *body = begin_reply(call);
    fields_put_integer(body, "after", seq);
    peer_json_put_items(body, copies);
    json_close(body, '}');
}

void api_peer_transfer(struct call *call) {
    struct queue_copies *copies = &call->server->copies;
    struct queue_transfer transfer = {0};
    if (!peers_read_transfer(call, &transfer))
        return;
    enum queue_result result = queue_give(call->server->queue, &transfer, copies);
    if (result != QUEUE_OK) {
        problem_of_change(&call->server->reply, result);
        return;
    }
    struct buffer *body = begin_reply(call);
    peer_json_put_items(body, copies);
    json_close(body, '}');
}

static void reply_no_item(struct call *call) {
    problem_reply(&call->server->reply, PROBLEM_NOT_FOUND, "This node has no item with this id.");
}

static void reply_look(struct call *call, enum queue_result result, const struct queue_item *item) {
    if (result == QUEUE_OK) {
        struct buffer *body = begin_reply(call);
        json_name(body, "item");
        peer_json_put_look(body, item);
        json_close(body, '}');
    } else if (result == QUEUE_NONE) {
        reply_no_item(call);
    } else {
        problem_of_read(&call->server->reply, result);
    }
}

static void look_now(struct call *call) {
    struct queue_item item;
    enum queue_result result = queue_look(call->server->queue, call->id, &item);
    reply_look(call, result, &item);
}

static uint64_t look_start(struct call *call) {
    int64_t seconds;
    if (!peers_read_look(call, &seconds))
        return 0;
    if (seconds == 0) {
        look_now(call);
        return 0;
    }
    if (!call->may_park) {
        problem_reply(&call->server->reply, PROBLEM_WAITS_FULL,
                      "This node holds as many requests as it may; try again later, or with wait "
                      "0.");
        return 0;
    }
    return queue_start_look(call->server->queue, call->id, seconds * 1000);
}

static uint64_t look_finish(struct call *call, const struct queue_answer *answer) {
    if (answer->result == QUEUE_OK || answer->result == QUEUE_NONE)
        reply_look(call, answer->result, answer->item);
    else
        look_now(call);
    return 0;
}

const struct wait_verbs api_peer_look_waits = {look_start, look_finish, look_now, NULL};

void api_peer_cancel(struct call *call) {
    struct reply *reply = &call->server->reply;
    if (!peers_read_cancel(call))
        return;
    enum queue_result result = queue_cancel(call->server->queue, call->id);
    if (result == QUEUE_OK)
        reply_begin(reply, 204, NULL);
    else if (result == QUEUE_NONE)
        reply_no_item(call);
    else if (result == QUEUE_CONFLICT)
        problem_reply(reply, PROBLEM_ALREADY_DONE, "The item is done and cannot be cancelled.");
    else
        problem_of_change(reply, result);
}
