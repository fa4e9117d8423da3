/* Compares this node's items with those of its replica, some each second, over and over, so that a
 * fault of a disk or of memory on either side is noticed. */

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "hex.h"
#include "log.h"
#include "peering_parts.h"

enum { COMPARE_MS = 1000, ITEMS = 1000, PATH_SIZE = 480 };

static void take_comparison(void *context, const struct http_reply *reply) {
    struct peering *peering = context;
    char result[16];
    int64_t batch;
    peering->stream.sending = false;
    if (!peering_stream_read(peering, reply, result, sizeof result, &batch) ||
        strcmp(result, "ok") == 0)
        return;
    if (strcmp(result, "gap") == 0) {
        log_warn("the replica at node %d has only batch %lld: it was set back",
                 peering->conf->peer.node, (long long)batch);
        peering_stream_go(peering, STREAM_QUERY, COPY_MISSING);
        return;
    }
    log_error(
        "the replica at node %d is not equal to this database (%s): it gets a copy of this one",
        peering->conf->peer.node, result);
    peering_stream_go(peering, STREAM_COPY, COPY_MISSING);
}

static void send_range(struct peering *peering, const struct queue_range *range) {
    static const struct buffer nothing;
    char path[PATH_SIZE];
    char hash[2 * BATCH_CHECK_SIZE];
    peering_source(peering, path, sizeof path, "/peer/replica/compare");
    size_t length = strlen(path);
    hex_encode(hash, range->hash, BATCH_CHECK_SIZE);
    snprintf(path + length, sizeof path - length, "&batch=%lld&first=%lld&last=%lld&hash=%.*s",
             (long long)range->batch, (long long)range->first, (long long)range->last,
             (int)sizeof hash, hash);
    peering->stream.sending = true;
    peering_post_bytes(peering, path, &nothing, take_comparison);
}

int64_t peering_compare_batch(struct peering *peering) {
    struct stream *stream = &peering->stream;
    struct queue_range *range = &stream->range;
    if (range->batch == 0 && stream->next_compare_ms <= clock_steady_ms()) {
        stream->next_compare_ms = clock_steady_ms() + COMPARE_MS;
        range->first = range->last + 1;
        if (queue_hash_items(peering->queue, ITEMS, range) != QUEUE_OK || range->last == 0)
            range->batch = 0; /* from the first one next time */
    }
    return range->batch > 0 ? range->batch : INT64_MAX;
}

bool peering_compare_turn(struct peering *peering) {
    struct stream *stream = &peering->stream;
    int64_t batch = stream->range.batch;
    if (batch == 0 || stream->acked < batch)
        return false;
    if (stream->acked == batch)
        send_range(peering, &stream->range);
    stream->range.batch = 0;
    return stream->acked == batch;
}
