/* The calls of the peer. All are answered from this node's own database and never passed on, so
 * that no question goes in circles. */

#include <string.h>

#include "api.h"
#include "http/problem.h"
#include "peering/peer_json.h"
#include "peers_parse.h"
#include "queue/fields.h"
#include "queue/id.h"

/* Begins a 200 that names this node. */
static struct buffer *begin_reply(struct call *call) {
    struct buffer *body = &call->server->reply.body;
    reply_begin(&call->server->reply, 200, "application/json");
    json_open(body, '{');
    fields_put_integer(body, "node", call->server->conf->node);
    return body;
}

/* Counts the done items here, or a client's. False with the problem in place. */
static bool count_done(struct call *call, const struct queue_whose *whose, int64_t *done) {
    struct queue_tally tally;
    enum queue_result result = queue_tally(call->server->queue, whose, &tally);
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

static void reply_superseded(struct call *call, int32_t node) {
    problem_reply(&call->server->reply, PROBLEM_SUPERSEDED,
                  "Node %d has another database by now than the one that calls; that one must not "
                  "be served any more.",
                  (int)node);
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
    if (result == QUEUE_CONFLICT) {
        reply_superseded(call, hello.node);
    } else if (result != QUEUE_OK) {
        problem_of_write(&call->server->reply, result);
    } else if (count_done(call, &queue_everybodys, &done)) {
        struct buffer *body = begin_reply(call);
        fields_put_integer(body, "done", done);
        json_name(body, "counts");
        json_put_boolean(body, answer.counts);
        fields_put_integer(body, "nonce", answer.nonce);
        json_name(body, "clients"); /* they are told apart here */
        json_put_boolean(body, true);
        json_name(body, "keys");
        json_put_boolean(body, call->server->conf->keys != NULL);
        put_loans(body, &hello, &answer);
        json_close(body, '}');
    }
}

void api_peer_done(struct call *call) {
    struct queue_whose whose;
    int64_t done;
    if (!peers_read_done(call, &whose) || !count_done(call, &whose, &done))
        return;
    struct buffer *body = begin_reply(call);
    fields_put_integer(body, "done", done);
    json_close(body, '}');
}

void api_peer_reserve(struct call *call) {
    struct queue_batch *batch = &call->server->batch;
    struct queue_reserve reserve = {0};
    if (!peers_read_reserve(call, &reserve))
        return;
    enum queue_result result = queue_reserve(call->server->queue, &reserve, batch);
    if (result == QUEUE_CONFLICT) {
        reply_superseded(call, reserve.node);
        return;
    }
    if (result != QUEUE_OK) {
        problem_of_write(&call->server->reply, result);
        return;
    }
    struct buffer *body = begin_reply(call);
    fields_put_integer(body, "kept_days", batch->kept_days);
    peer_json_put_items(body, batch);
    json_close(body, '}');
}

/* The fate of a pull; the peer tells whether it has settled the pull. With COPY=sync a closed pull
 * is told only when the replica has it, as with clients: closing it again in the same way waits for
 * that. */
static enum queue_result find_fate(struct call *call, const struct peers_pull *pull,
                                   struct queue_fate *fate) {
    enum queue_result result = queue_pull_fate(call->server->queue, pull->tag, fate);
    if (result != QUEUE_OK || (fate->fate != PULL_IS_CLOSED && !pull->settled))
        return result;
    struct queue_close close = {.settled = pull->settled, .rest = fate->rest};
    memcpy(close.tag, pull->tag, PULL_TAG_SIZE);
    result = queue_close_pull(call->server->queue, &close);
    return result == QUEUE_NONE && !pull->settled ? QUEUE_UNKNOWN
                                                  : result; /* the pull was just removed */
}

static void put_fate(struct buffer *body, const struct queue_fate *fate) {
    static const char *const names[] = {
        [PULL_UNKNOWN] = "unknown", [PULL_IS_OPEN] = "open", [PULL_IS_CLOSED] = "closed"};
    const char *name = names[fate->fate];
    json_open(body, '{');
    json_name(body, "state");
    json_put_plain(body, name, strlen(name));
    fields_put_integer(body, "rest", fate->rest);
    json_close(body, '}');
}

void api_peer_pulls(struct call *call) {
    static struct queue_peers peers; /* too large for the stack */
    struct peers_pull pulls[QUEUE_RESERVATIONS_MAX];
    struct queue_fate fates[QUEUE_RESERVATIONS_MAX];
    int count;
    if (!peers_read_pulls(call, pulls, &count))
        return;
    /* The epoch is read first: the fates hold for it. */
    enum queue_result result = queue_peers(call->server->queue, &peers);
    int64_t epoch = peers.identity.epoch;
    for (int i = 0; i < count && result == QUEUE_OK; i++)
        result = find_fate(call, &pulls[i], &fates[i]);
    if (result != QUEUE_OK) {
        problem_of_write(&call->server->reply, result);
        return;
    }
    struct buffer *body = begin_reply(call);
    fields_put_integer(body, "epoch", epoch);
    json_name(body, "pulls");
    json_open(body, '[');
    for (int i = 0; i < count; i++)
        put_fate(body, &fates[i]);
    json_close(body, ']');
    json_close(body, '}');
}

static void reply_no_item(struct call *call) {
    problem_reply(&call->server->reply, PROBLEM_NOT_FOUND, "This node has no item with this id.");
}

static void reply_look(struct call *call, enum queue_result result, const struct queue_item *item) {
    if (result == QUEUE_OK) {
        struct buffer *body = begin_reply(call);
        json_name(body, "item");
        peer_json_put_item(body, item);
        json_close(body, '}');
    } else if (result == QUEUE_NONE) {
        reply_no_item(call);
    } else {
        problem_of_read(&call->server->reply, result);
    }
}

static void look_now(struct call *call) {
    struct queue_item item;
    enum queue_result result = queue_look(call->server->queue, call->id, &call->whose, &item);
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
    return queue_start_look(call->server->queue, call->id, &call->whose, seconds * 1000);
}

static uint64_t look_finish(struct call *call, const struct queue_answer *answer) {
    if (answer->result == QUEUE_OK || answer->result == QUEUE_NONE)
        reply_look(call, answer->result, answer->item);
    else
        look_now(call);
    return 0;
}

const struct long_poll_verbs api_peer_look_long_poll = {look_start, look_finish, look_now, NULL};

void api_peer_list(struct call *call) {
    struct server *server = call->server;
    struct queue_page *page = &server->page;
    struct queue_list list = {0};
    struct queue_item item;
    int32_t node;
    if (!peers_read_list(call, &node, &list))
        return;
    enum queue_result result = QUEUE_OK;
    if (list.has_after && id_node(list.after) != node)
        result = queue_look(server->queue, list.after, &list.whose, &item);
    if (result == QUEUE_OK)
        result = queue_list(server->queue, &list, page);
    else if (result == QUEUE_NONE)
        page->known = page->more = page->count = 0;
    if (result != QUEUE_OK && result != QUEUE_NONE) {
        problem_of_read(&server->reply, result);
        return;
    }
    struct buffer *body = begin_reply(call);
    peer_json_put_page(body, page);
    json_close(body, '}');
}

void api_peer_cancel(struct call *call) {
    struct reply *reply = &call->server->reply;
    struct queue_cancel cancel;
    if (!peers_read_cancel(call, &cancel))
        return;
    enum queue_result result = queue_cancel(call->server->queue, &cancel);
    if (result == QUEUE_OK)
        reply_begin(reply, 204, NULL);
    else if (result == QUEUE_NONE)
        reply_no_item(call);
    else if (result == QUEUE_CONFLICT)
        problem_reply(reply, PROBLEM_ALREADY_DONE, "The item is done and cannot be cancelled.");
    else
        problem_of_write(reply, result);
}
