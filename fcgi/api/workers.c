/* The calls by which workers lease items and report on them. */

#include "api.h"
#include "http/problem.h"
#include "queue/fields.h"
#include "workers_parse.h"

/* 204: nothing to do now. */
static void reply_nothing(struct call *call) {
    reply_begin(&call->server->reply, 204, NULL);
}

static uint64_t lease_start(struct call *call) {
    struct queue_lease *lease = &call->server->lease;
    if (!workers_read_lease(call, lease))
        return 0;
    if (!call->may_park && lease->wait_ms > 0) {
        /* Not 204: this may be a repeated request whose lease has items already. */
        problem_reply(
            &call->server->reply, PROBLEM_WAITS_FULL,
            "As many leases wait here as may, in all or with this credential; send the same "
            "request again later, or with \"wait\": 0.");
        return 0;
    }
    call->id = lease->request;
    return queue_start_lease(call->server->queue, lease);
}

/* The command that tells a worker to give everything back and retire. */
static void put_drain(struct buffer *body, bool drain) {
    if (!drain)
        return;
    json_name(body, "command");
    json_put_plain(body, "drain", 5);
}

/* 200 with the items of a lease. */
static void reply_grant(struct call *call, const struct queue_grant *grant) {
    struct reply *reply = &call->server->reply;
    struct buffer *body = &reply->body;
    reply_begin(reply, 200, "application/json");
    json_open(body, '{');
    fields_put_id(body, "lease", call->id);
    json_name(body, "ttl");
    json_put_number(body, (double)grant->ttl_ms / 1000);
    json_name(body, "items");
    json_open(body, '[');
    for (int i = 0; i < grant->count; i++) {
        const struct queue_leased *item = &grant->items[i];
        json_open(body, '{');
        fields_put_id(body, "id", item->id);
        fields_put_digest(body, "chain", item->chain);
        fields_put_integer(body, "remaining", item->remaining);
        json_close(body, '}');
    }
    json_close(body, ']');
    put_drain(body, grant->drain != 0);
    json_close(body, '}');
}

/* 204 to who has enough in hand, with a time after which some of it may be reported. */
static void reply_enough(struct call *call) {
    reply_nothing(call);
    reply_header(&call->server->reply, "Retry-After", "1");
}

static uint64_t lease_finish(struct call *call, const struct queue_answer *answer) {
    if (answer->result == QUEUE_OK) {
        call->returnable = answer->grant->returnable;
        reply_grant(call, answer->grant);
    } else if (answer->result == QUEUE_NONE)
        reply_nothing(call);
    else if (answer->result == QUEUE_ENOUGH)
        reply_enough(call);
    else if (answer->result == QUEUE_CONFLICT)
        problem_reply(&call->server->reply, PROBLEM_FORBIDDEN,
                      "This request id is that of another's lease; make a new one, a random UUID.");
    else
        problem_of_write(&call->server->reply, answer->result);
    return 0;
}

static void lease_take_back(struct call *call) {
    queue_return_lease(call->server->queue, call->returnable);
}

const struct long_poll_verbs api_lease_long_poll = {lease_start, lease_finish, reply_nothing,
                                                    lease_take_back};

/* Appends the ids of the report's items that have this verdict. */
static void put_ids(struct buffer *body, const char *name, const struct server *server,
                    bool taken) {
    const struct queue_report *report = &server->report;
    json_name(body, name);
    json_open(body, '[');
    for (int i = 0; i < report->count; i++) {
        if ((server->verdict.taken[i] != 0) == taken)
            fields_put_id(body, NULL, report->items[i].id);
    }
    json_close(body, ']');
}

void api_results(struct call *call) {
    struct server *server = call->server;
    struct reply *reply = &server->reply;
    if (!workers_read_report(call, &server->report))
        return;
    enum queue_result result = queue_report(server->queue, &server->report, &server->verdict);
    if (result != QUEUE_OK) {
        problem_of_write(reply, result);
        return;
    }
    reply_begin(reply, 200, "application/json");
    json_open(&reply->body, '{');
    put_ids(&reply->body, "taken", server, true);
    put_ids(&reply->body, "lost", server, false);
    put_drain(&reply->body, server->verdict.drain != 0);
    json_close(&reply->body, '}');
}

void api_retire(struct call *call) {
    struct queue_worker worker = {0};
    if (!workers_read_retire(call, &worker))
        return;
    enum queue_result result = queue_retire(call->server->queue, &worker);
    if (result == QUEUE_OK)
        reply_nothing(call);
    else if (result == QUEUE_CONFLICT)
        problem_reply(&call->server->reply, PROBLEM_NEEDED,
                      "This worker holds items, is one of the last that this node keeps, or may "
                      "not go for now: it goes "
                      "on leasing and asks again when it has been idle for as long once more.");
    else
        problem_of_write(&call->server->reply, result);
}
