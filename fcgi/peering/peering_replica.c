/* Common to all calls about the replica: the description of its source, their results, and what the
 * queue is told. */

#include <stdio.h>
#include <string.h>

#include "peering_parts.h"
#include "queue/id.h"

void peering_stream_tell(struct peering *peering, int32_t state) {
    struct stream *stream = &peering->stream;
    struct queue_acknowledged acknowledged = {
        .batch = stream->acked, .state = state, .proven = stream->proven};
    if (memcmp(&acknowledged, &stream->noted, sizeof acknowledged) == 0)
        return;
    child_busy();
    if (queue_acknowledge(peering->queue, &acknowledged) == QUEUE_OK)
        stream->noted = acknowledged;
}

void peering_stream_go(struct peering *peering, enum stream_phase phase, int32_t state) {
    struct stream *stream = &peering->stream;
    stream->phase = phase;
    if (state != COPY_FOLLOWING) {
        stream->acked = 0;
        stream->level = false;
    }
    peering_stream_tell(peering, state);
}

void peering_source(const struct peering *peering, char *path, size_t size, const char *call) {
    const struct queue_peers *peers = &peering->peers;
    char database[ID_TEXT_SIZE];
    bool complete = peering->conf->copying == COPY_SYNC && peering->stream.level;
    id_format(database, peers->identity.database);
    snprintf(path, size, "%s?node=%d&database=%s&epoch=%lld&schema=%lld&complete=%d", call,
             (int)peering->conf->node, database, (long long)peers->identity.epoch,
             (long long)peers->schema, complete);
}

bool peering_stream_read(struct peering *peering, const struct http_reply *reply, char *result,
                         size_t size, int64_t *batch) {
    const struct json *json = &peering->json;
    char why[300] = "its reply has no result";
    bool good = peering_read_reply(peering, reply, why, sizeof why) &&
                json_string(json, json_member(json, 0, "result"), result, size) &&
                json_integer(json, json_member(json, 0, "batch"), 0, INT64_MAX, batch);
    if (good)
        return true;
    if (peering_is_problem(peering, reply, 409, "superseded"))
        peering->superseded = true;
    peering_failed(peering, &peering->stream.retry, "feeding its replica", why);
    peering_stream_go(peering, STREAM_QUERY, COPY_UNKNOWN);
    return false;
}
