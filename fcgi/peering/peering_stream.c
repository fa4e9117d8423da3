/*
 * Feeds the replica of this node's database at the peer. Asks the peer what it has. When the log
 * has all the missing batches, sends them in order, several in a message, one message at a time;
 * else sends a whole copy and asks again.
 */

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "hex.h"
#include "log.h"
#include "peering_parts.h"
#include "queue/fields.h"

enum {
    STATE_TIMEOUT_MS = 5000,
    MESSAGE_BYTES = 1024 * 1024, /* of records; a single one may be larger */
    GATHER_MS = 20,              /* with COPY=async, the pause after a message that was not full */
    COPY_PAUSE_MS = 60000,       /* from one copy to the next, when only the log lacks batches */
    BATCH_WAIT_MS = 30000,       /* a wait for a batch lasts this long, then begins again */
    PATH_SIZE = 300
};

static const char what[] = "feeding its replica";

/* --- What the peer has --- */

/* The replica as the peer describes it. */
struct found {
    struct queue_identity identity;
    int64_t schema;
    int64_t batch;
    uint8_t check[BATCH_CHECK_SIZE];
    bool bad;
};

static bool read_check(const struct json *json, int token, uint8_t check[BATCH_CHECK_SIZE]) {
    const char *text;
    size_t length;
    return json_plain(json, token, &text, &length) &&
           hex_decode(check, BATCH_CHECK_SIZE, text, length);
}

/* Reads that description. False when there is no replica, or in another form. */
static bool read_found(const struct json *json, struct found *found) {
    int replica = json_member(json, 0, "replica");
    return replica >= 0 && read_check(json, json_member(json, replica, "check"), found->check) &&
           fields_read_id(json, json_member(json, replica, "id"), &found->identity.database) &&
           json_integer(json, json_member(json, replica, "epoch"), 0, INT64_MAX,
                        &found->identity.epoch) &&
           json_integer(json, json_member(json, replica, "schema"), 0, INT32_MAX, &found->schema) &&
           json_integer(json, json_member(json, replica, "batch"), 0, INT64_MAX, &found->batch) &&
           json_boolean(json, json_member(json, replica, "bad"), &found->bad);
}

/* Whether the replica is at the last batch with the same check. */
static bool is_level(struct peering *peering, const struct found *found) {
    const struct queue_peers *peers = &peering->peers;
    if (found->batch != peers->batch)
        return false;
    if (memcmp(found->check, peers->batch_check, BATCH_CHECK_SIZE) == 0)
        return true;
    log_error("the replica at node %d differs from this database at batch %lld: it gets a copy of "
              "this one",
              peering->conf->peer.node, (long long)found->batch);
    peering->stream.differs = true;
    return false;
}

/* Whether this is a good replica of this database. */
static bool fits(const struct peering *peering, const struct found *found) {
    const struct queue_peers *peers = &peering->peers;
    return !found->bad && found->schema == peers->schema &&
           memcmp(&found->identity, &peers->identity, sizeof found->identity) == 0;
}

/* Whether a fitting replica needs no copy: the log has all that it lacks. */
static bool can_follow(struct peering *peering, const struct found *found) {
    struct stream *stream = &peering->stream;
    const struct queue_peers *peers = &peering->peers;
    buffer_clear(&stream->records);
    return is_level(peering, found) ||
           (found->batch < peers->batch &&
            batch_reader_get(stream->reader, found->batch + 1, &stream->records));
}

/* The replica needs a copy. When only the log lacks batches, waits after a recent copy: a log that
 * cannot be written or read would otherwise cause one copy after another, at a high cost to both
 * nodes. */
static void want_copy(struct peering *peering, bool fits) {
    int64_t ended_ms = peering->copy.ended_ms;
    bool soon = ended_ms > 0 && clock_steady_ms() - ended_ms < COPY_PAUSE_MS;
    bool waits = fits && soon && !peering->stream.differs;
    peering->stream.misfit &= waits;
    peering_stream_go(peering, waits ? STREAM_QUERY : STREAM_COPY, COPY_MISSING);
    if (waits)
        peering_failed(peering, &peering->stream.retry, what,
                       "it had a copy just now, and the log lacks batches behind that already");
}

/* The replica has batches that this database lacks: this database was set back, and has served
 * already. */
static void be_older(struct peering *peering, int64_t batch) {
    log_error("the replica at node %d has batch %lld, and this database only %lld: it is an older "
              "copy, put in place by hand. This server stops: run hashmill-fcgi --init to have the "
              "newer one back",
              peering->conf->peer.node, (long long)batch, (long long)peering->peers.batch);
    peering->superseded = true;
}

static void take_state(void *context, const struct http_reply *reply) {
    struct peering *peering = context;
    struct stream *stream = &peering->stream;
    struct found found = {0};
    char why[300];
    stream->sending = false;
    if (!peering_read_reply(peering, reply, why, sizeof why)) {
        peering->superseded |= peering_is_problem(peering, reply, 409, "superseded");
        peering_failed(peering, &stream->retry, what, why);
        return;
    }
    bool there = read_found(&peering->json, &found);
    /* Read after the reply, which cannot name a later batch than this. */
    if (!peering_look(peering)) {
        peering_failed(peering, &stream->retry, what, "this node's database cannot be read");
        return;
    }
    bool same =
        there && memcmp(&found.identity, &peering->peers.identity, sizeof found.identity) == 0;
    if (same && found.batch > peering->peers.batch) {
        be_older(peering, found.batch);
        return;
    }
    bool good = there && fits(peering, &found);
    if (good && !stream->misfit && can_follow(peering, &found)) {
        stream->acked = found.batch;
        stream->proven = found.batch == peering->peers.batch; /* then the checks were compared */
        stream->seen = peering->peers.batch;
        stream->begun = stream->seen;
        peering_stream_go(peering, STREAM_FOLLOW, COPY_FOLLOWING);
    } else {
        want_copy(peering, good);
    }
}

static void query_state(struct peering *peering) {
    const struct queue_identity *identity = &peering->peers.identity;
    struct buffer *body = peering_begin(peering);
    fields_put_id(body, "database", identity->database);
    fields_put_integer(body, "epoch", identity->epoch);
    peering->stream.sending = true;
    peering_post(peering, "/peer/replica/state", STATE_TIMEOUT_MS, take_state, peering);
}

/* --- Batches --- */

/* The peer refused the batches. */
static void be_refused(struct peering *peering, const char *result, int64_t batch) {
    char why[100];
    struct stream *stream = &peering->stream;
    if (strcmp(result, "full") == 0) {
        peering_failed(peering, &stream->retry, what, "its disk is full");
        return;
    }
    snprintf(why, sizeof why, "its replica takes no more batches (%s at batch %lld)", result,
             (long long)batch);
    /* If its state fits all the same, only a copy can help. */
    stream->misfit = strcmp(result, "other") == 0;
    peering_failed(peering, &stream->retry, what, why);
    peering_stream_go(peering, STREAM_QUERY, COPY_MISSING);
}

static void take_batches(void *context, const struct http_reply *reply) {
    struct peering *peering = context;
    struct stream *stream = &peering->stream;
    char result[16];
    int64_t batch;
    bool full = stream->records.length >= MESSAGE_BYTES;
    stream->sending = false;
    if (!peering_stream_read(peering, reply, result, sizeof result, &batch))
        return;
    if (batch > stream->acked && batch <= stream->seen)
        stream->acked = batch;
    if (strcmp(result, "ok") != 0) {
        be_refused(peering, result, batch);
        return;
    }
    stream->proven |= batch == stream->sent; /* the peer has compared the check */
    peering_succeeded(peering, &stream->retry, what);
    if (peering->conf->copying == COPY_ASYNC && !full)
        stream->gather_until_ms = clock_steady_ms() + GATHER_MS;
    peering_stream_tell(peering, COPY_FOLLOWING);
    peering_stream_turn(peering);
}

/* Gathers the next batches to send, up to `last`. False when the log no longer has the next one. */
static bool gather(struct peering *peering, int64_t last) {
    struct stream *stream = &peering->stream;
    buffer_clear(&stream->records);
    for (int64_t next = stream->acked + 1; next <= last && stream->records.length < MESSAGE_BYTES;
         next++) {
        if (!batch_reader_get(stream->reader, next, &stream->records))
            return stream->records.length > 0;
        stream->sent = next;
    }
    return true;
}

static void send_batches(struct peering *peering) {
    struct stream *stream = &peering->stream;
    char path[PATH_SIZE];
    peering_source(peering, path, sizeof path, "/peer/replica/batches");
    stream->sending = true;
    peering_post_bytes(peering, path, &stream->records, take_batches);
}

/* Tells a new writer the replica's state again: it does not know what the old one was told. The
 * wait for a batch moves to the new writer by itself. */
static void see_to_writer(struct peering *peering) {
    if (queue_descriptor(peering->watch) < 0)
        peering->stream.noted = (struct queue_acknowledged){0};
}

/* Takes the answer to the wait for a batch. */
static void take_seen(struct peering *peering) {
    struct stream *stream = &peering->stream;
    struct queue_answer answer;
    while (queue_next(peering->watch, &answer)) {
        if (answer.ticket != stream->ticket)
            continue;
        stream->ticket = 0;
        if (answer.result == QUEUE_OK && answer.number > stream->seen)
            stream->seen = answer.number;
    }
}

/* Sends the batches that the replica lacks, or waits for the next one. */
static void follow(struct peering *peering) {
    struct stream *stream = &peering->stream;
    stream->level = stream->acked >= stream->begun;
    int64_t last = peering_compare_batch(peering);
    if (peering_compare_turn(peering))
        return;
    last = last < stream->seen ? last : stream->seen;
    if (stream->acked < last && !gather(peering, last)) {
        peering_stream_go(peering, STREAM_QUERY, COPY_MISSING);
        return;
    }
    if (stream->acked < last) {
        send_batches(peering);
        return;
    }
    peering_stream_tell(peering, COPY_FOLLOWING);
    if (stream->ticket == 0)
        stream->ticket = queue_start_batch(peering->watch, stream->seen, BATCH_WAIT_MS);
}

void peering_stream_turn(struct peering *peering) {
    struct stream *stream = &peering->stream;
    if (peering->conf->copying == COPY_NONE)
        return;
    see_to_writer(peering);
    take_seen(peering);
    see_to_writer(peering);
    if (stream->sending || !peering_may_call(peering, &stream->retry) ||
        stream->gather_until_ms > clock_steady_ms())
        return;
    if (stream->phase == STREAM_QUERY)
        query_state(peering);
    else if (stream->phase == STREAM_COPY)
        peering_copy_turn(peering);
    else
        follow(peering);
}
