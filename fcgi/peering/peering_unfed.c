/* With COPY=none: tells the peer once that its replica of this node's database, if any, gets no
 * more batches, so it no longer counts as complete. */

#include "peering_parts.h"

enum { PATH_SIZE = 300 };

static void take_told(void *context, const struct http_reply *reply) {
    struct peering *peering = context;
    struct stream *stream = &peering->stream;
    char result[16];
    int64_t batch;
    stream->sending = false;
    if (!peering_stream_read(peering, reply, result, sizeof result, &batch))
        return; /* tried again */
    peering_succeeded(peering, &stream->retry, "feeding its replica");
    stream->phase = STREAM_FOLLOW;
}

void peering_unfed_turn(struct peering *peering) {
    struct stream *stream = &peering->stream;
    char path[PATH_SIZE];
    if (peering->conf->copying != COPY_NONE || stream->phase != STREAM_QUERY || stream->sending ||
        !peering_may_call(peering, &stream->retry))
        return;
    peering_source(peering, path, sizeof path, "/peer/replica/batches");
    stream->sending = true;
    peering_post_bytes(peering, path, &stream->records, take_told); /* no batch */
}
