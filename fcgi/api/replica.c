/* The peer's calls about the replica of its database at this node: what there is, batches and
 * copies to store, and the whole file back. Served by the replica process. */

#include "queue/replica.h"

#include <string.h>

#include "api.h"
#include "clock.h"
#include "http/problem.h"
#include "queue/fields.h"
#include "replica_parse.h"

enum { TAKE_GAP_MS = 1500 }; /* the longest gap between two attempts to take the replica */

const struct route replica_routes[] = {
    {CALLER_PEER, "POST", "/peer/replica/state", {NULL}, true, 0, api_replica_state, NULL},
    {CALLER_PEER,
     "POST",
     "/peer/replica/batches",
     {"node", "database", "epoch", "schema", "complete"},
     true,
     0,
     api_replica_batches,
     NULL},
    {CALLER_PEER,
     "POST",
     "/peer/replica/pages",
     {"node", "database", "epoch", "schema", "complete", "copy", "part", "bytes", "last",
      "differs"},
     true,
     0,
     api_replica_pages,
     NULL},
    {CALLER_PEER,
     "POST",
     "/peer/replica/compare",
     {"node", "database", "epoch", "schema", "complete", "batch", "first", "last", "hash"},
     false,
     0,
     api_replica_compare,
     NULL},
    {CALLER_PEER, "POST", "/peer/replica/take", {NULL}, true, 0, api_replica_take, NULL},
    {CALLER_PEER,
     "POST",
     "/peer/replica/read",
     {"node", "epoch", "at", "length"},
     false,
     0,
     api_replica_read,
     NULL},
    {.method = NULL},
};

/* Begins a 200 that names this node. */
static struct buffer *begin_reply(struct call *call) {
    struct buffer *body = &call->server->reply.body;
    reply_begin(&call->server->reply, 200, "application/json");
    json_open(body, '{');
    fields_put_integer(body, "node", call->server->conf->node);
    return body;
}

static void refuse_older(struct call *call) {
    problem_reply(&call->server->reply, PROBLEM_SUPERSEDED,
                  "Another database has taken the place of this one: what this node keeps is of a "
                  "higher epoch. Stop this server, and start it by hashmill-fcgi --init.");
}

/* Reads the database that the caller's node had at its last hello. False with the problem in place.
 */
static bool read_met(struct call *call, struct queue_identity *met) {
    enum queue_result result = queue_met(call->server->queue, met);
    if (result != QUEUE_OK)
        problem_of_read(&call->server->reply, result);
    return result == QUEUE_OK;
}

/* Whether the caller's database may go on: no newer one has said hello, and the replica is of no
 * newer one. False with the problem in place. */
static bool admit(struct call *call, const struct replica_source *source) {
    struct queue_identity met;
    if (!read_met(call, &met))
        return false;
    if (!queue_is_current(&met, &source->identity) ||
        replica_is_newer(call->server->replica, source)) {
        refuse_older(call);
        return false;
    }
    return true;
}

/* The state of the replica, if it is of that node's database. */
static struct replica_state state_of(const struct call *call, int32_t node) {
    struct replica_state state;
    replica_state(call->server->replica, &state);
    if (state.node != node)
        state.there = 0; /* it is of a former peer */
    return state;
}

/* --- What there is --- */

static void put_known(struct buffer *body, const struct queue_identity *known) {
    json_name(body, "known");
    if (known->epoch == 0) {
        json_put_null(body);
        return;
    }
    json_open(body, '{');
    fields_put_id(body, "id", known->database);
    fields_put_integer(body, "epoch", known->epoch);
    json_close(body, '}');
}

static void put_state(struct buffer *body, const struct replica_state *state, int64_t heard_ms) {
    json_name(body, "replica");
    if (!state->there) {
        json_put_null(body);
        return;
    }
    json_open(body, '{');
    fields_put_id(body, "id", state->identity.database);
    fields_put_integer(body, "epoch", state->identity.epoch);
    fields_put_integer(body, "schema", state->schema);
    fields_put_integer(body, "batch", state->batch);
    json_name(body, "check");
    json_put_hex(body, state->check, sizeof state->check);
    json_name(body, "complete");
    json_put_boolean(body, state->complete);
    json_name(body, "bad");
    json_put_boolean(body, state->bad);
    if (heard_ms >= 0)
        fields_put_integer(body, "heard_seconds", heard_ms / 1000);
    fields_put_integer(body, "as_of", state->wall_ms);
    fields_put_integer(body, "bytes", state->bytes);
    json_close(body, '}');
}

/* Whether the replica can be complete: a good one of the database that the peer serves. */
static bool may_be_complete(const struct replica_state *state, const struct queue_identity *met) {
    return !state->bad && (met->epoch == 0 || memcmp(&state->identity, met, sizeof *met) == 0);
}

void api_replica_state(struct call *call) {
    struct replica_source source = {0};
    bool named;
    if (!replica_read_caller(call, &source, &named) || (named && !admit(call, &source)))
        return;
    struct queue_identity met;
    if (!read_met(call, &met))
        return;
    struct queue_tally tally;
    enum queue_result result = queue_tally(call->server->queue, &queue_everybodys, &tally);
    if (result != QUEUE_OK) {
        problem_of_read(&call->server->reply, result);
        return;
    }
    struct replica_state state = state_of(call, source.node);
    state.complete &= may_be_complete(&state, &met);
    struct buffer *body = begin_reply(call);
    put_state(body, &state, tally.copying.heard_ms);
    put_known(body, &met);
    json_close(body, '}');
}

/* --- What comes --- */

static void reply_result(struct call *call, const struct replica_source *source,
                         enum replica_result result) {
    struct replica_state state = state_of(call, source->node);
    struct buffer *body = begin_reply(call);
    call->server->feeder.fed_ms = clock_steady_ms();
    json_name(body, "result");
    json_put_string(body, replica_result_name(result));
    fields_put_integer(body, "batch", state.there ? state.batch : 0);
    json_close(body, '}');
}

void api_replica_batches(struct call *call) {
    struct replica_source source;
    const struct buffer *text = &call->server->text;
    if (replica_read_source(call, &source) && replica_read_records(call) && admit(call, &source))
        reply_result(call, &source,
                     replica_apply(call->server->replica, &source, text->data, text->length));
}

void api_replica_pages(struct call *call) {
    struct replica_source source;
    struct replica_part part;
    if (replica_read_source(call, &source) && replica_read_part(call, &part) &&
        admit(call, &source))
        reply_result(call, &source, replica_copy(call->server->replica, &source, &part));
}

void api_replica_compare(struct call *call) {
    struct replica_source source;
    struct queue_range range;
    if (replica_read_source(call, &source) && replica_read_range(call, &range) &&
        admit(call, &source))
        reply_result(call, &source, replica_compare(call->server->replica, &source, &range));
}

/* --- The way back --- */

static void reply_none(struct call *call) {
    problem_reply(&call->server->reply, PROBLEM_NOT_FOUND,
                  "This node has no replica of that node's database.");
}

/* Whether that server has been silent while this node ran. After a pause of this node its messages
 * may be still unread, so attempts must follow each other closely. */
static bool is_silent(struct feeder *feeder, bool away) {
    int64_t now = clock_steady_ms();
    if (!away || now - feeder->tried_ms > TAKE_GAP_MS)
        feeder->silent_ms = now;
    feeder->tried_ms = now;
    return now - feeder->silent_ms >= PEER_AWAY_MS && now - feeder->fed_ms >= PEER_AWAY_MS;
}

/* Refuses the older database of that node from now on, unless its server may live. False with the
 * problem in place. */
static bool raise_epoch(struct call *call, const struct replica_source *source) {
    struct reply *reply = &call->server->reply;
    struct queue_raise raise = {.node = source->node, .identity = source->identity};
    struct queue_tally tally;
    enum queue_result result = queue_tally(call->server->queue, &queue_everybodys, &tally);
    if (result == QUEUE_OK && !is_silent(&call->server->feeder, tally.copying.away != 0)) {
        problem_reply(reply, PROBLEM_PEER_ALIVE,
                      "The server whose database this is may live: it was not silent for 3 s. Stop "
                      "it, and ask again twice a second.");
        return false;
    }
    if (result == QUEUE_OK)
        result = queue_raise(call->server->queue, &raise);
    if (result == QUEUE_CONFLICT)
        refuse_older(call);
    else if (result != QUEUE_OK)
        problem_of_write(reply, result);
    return result == QUEUE_OK;
}

static void reply_taken(struct call *call, const struct replica_source *source,
                        enum replica_result result) {
    struct replica_state state = state_of(call, source->node);
    struct buffer *body;
    switch (result) {
    case REPLICA_OK:
        body = begin_reply(call);
        fields_put_integer(body, "epoch", state.identity.epoch);
        fields_put_integer(body, "bytes", state.bytes);
        fields_put_integer(body, "batch", state.batch);
        json_close(body, '}');
        break;
    case REPLICA_OTHER:
        refuse_older(call);
        break;
    case REPLICA_FULL:
        problem_reply(&call->server->reply, PROBLEM_UNAVAILABLE,
                      "The replica is in use or cannot be written now; try again.");
        break;
    default:
        problem_of_write(&call->server->reply, QUEUE_FAULT);
        break;
    }
}

/* Whether an identity may succeed that of the replica. */
static bool follows(const struct replica_state *state, const struct queue_identity *next) {
    return memcmp(&state->identity.database, &next->database, sizeof next->database) == 0 &&
           next->epoch > state->identity.epoch;
}

void api_replica_take(struct call *call) {
    struct replica_source source = {0};
    if (!replica_read_taker(call, &source))
        return;
    struct replica_state state = state_of(call, source.node);
    if (!state.there)
        reply_none(call);
    else if (!follows(&state, &source.identity))
        refuse_older(call); /* and nothing is saved */
    else if (raise_epoch(call, &source))
        reply_taken(call, &source, replica_take(call->server->replica, &source.identity));
}

void api_replica_read(struct call *call) {
    struct replica_piece piece;
    struct reply *reply = &call->server->reply;
    if (!replica_read_piece(call, &piece))
        return;
    struct replica_state state = state_of(call, piece.node);
    if (!state.there || state.identity.epoch != piece.epoch) {
        reply_none(call);
        return;
    }
    reply_begin(reply, 200, "application/octet-stream");
    buffer_reserve(&reply->body, (size_t)piece.length);
    int64_t got =
        replica_read(call->server->replica, piece.at, reply->body.data, (size_t)piece.length);
    if (got >= 0)
        reply->body.length = (size_t)got;
    else if (replica_is_taken(call->server->replica))
        problem_reply(reply, PROBLEM_FAULT,
                      "The file of the replica cannot be read: see the log of this node.");
    else
        problem_reply(reply, PROBLEM_NOT_FOUND,
                      "The replica is not to be read as it is now: take it, with a higher epoch.");
}
