/* Sends the peer a whole copy of this node's database: the pages that the writer hands out for a
 * backup, in parts, one at a time. The writer goes on meanwhile; the copy reflects the last batch
 * before its end. */

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "peering_parts.h"
#include "queue/id.h"

enum {
    PART_BYTES = 960 * 1024, /* a part this large gets no more pages */
    FULL_MS = 60000, /* how long a part waits for room at the peer; backups here wait for that */
    PATH_SIZE = 400
};

static const char what[] = "copying the queue to it";

void peering_copy_end(struct peering *peering) {
    struct copy *copy = &peering->copy;
    if (!copy->pages)
        return;
    queue_copy_end(copy->queue);
    free(copy->pages);
    buffer_free(&copy->body);
    copy->pages = NULL;
}

/* The writer has broken off the copy and logged why: back off. */
static void be_broken_off(struct peering *peering) {
    peering_failed(peering, &peering->stream.retry, what, "this node's writer broke it off");
    peering_copy_end(peering);
}

/* Begins a copy. False when that is not possible now. */
static bool begin(struct peering *peering) {
    struct copy *copy = &peering->copy;
    copy->pages = malloc(sizeof *copy->pages);
    if (!copy->pages)
        return false;
    copy->id = id_new((int)peering->conf->node);
    copy->part = 0;
    copy->complete = false;
    copy->again = false;
    copy->full_ms = 0;
    child_busy();
    if (queue_copy_begin(copy->queue, copy->pages) == QUEUE_OK)
        return true;
    peering_failed(peering, &peering->stream.retry, what, "a backup is under way here");
    peering_copy_end(peering);
    return false;
}

static void put_pages(struct copy *copy) {
    for (int i = 0; i < copy->pages->count; i++) {
        uint64_t at = htole64((uint64_t)copy->pages->items[i].at);
        buffer_append(&copy->body, &at, sizeof at);
        buffer_append(&copy->body, copy->pages->items[i].bytes, PAGE_BYTES);
    }
    copy->complete = copy->pages->complete != 0;
    copy->file_bytes = copy->pages->file_bytes;
}

/* Gathers a part: the present pages and the next ones. False when the writer has broken off the
 * copy. */
static bool gather(struct peering *peering) {
    struct copy *copy = &peering->copy;
    buffer_clear(&copy->body);
    put_pages(copy);
    while (!copy->complete && copy->body.length < PART_BYTES) {
        child_busy();
        if (queue_copy_next(copy->queue, copy->pages) != QUEUE_OK)
            return false;
        put_pages(copy);
    }
    return true;
}

/* The peer has no room for a part. Sends the part again later; gives up the copy if that was the
 * first part, which costs nothing to make again, or if room was missing for long. */
static void be_full(struct peering *peering) {
    struct copy *copy = &peering->copy;
    int64_t now = clock_steady_ms();
    if (copy->full_ms == 0)
        copy->full_ms = now;
    copy->again = copy->part > 0 && now - copy->full_ms < FULL_MS;
    peering_failed(peering, &peering->stream.retry, what, "its disk is full");
    if (!copy->again)
        peering_copy_end(peering);
}

/* Fetches the pages after the part that was sent. */
static void go_on(struct peering *peering) {
    struct copy *copy = &peering->copy;
    copy->full_ms = 0;
    copy->part++;
    child_busy();
    if (queue_copy_next(copy->queue, copy->pages) != QUEUE_OK)
        be_broken_off(peering);
}

/* The copy has ended: asks the peer for its state. */
static void end(struct peering *peering) {
    peering_copy_end(peering);
    peering_stream_go(peering, STREAM_QUERY, COPY_UNKNOWN);
}

static void take_part(void *context, const struct http_reply *reply) {
    struct peering *peering = context;
    struct stream *stream = &peering->stream;
    struct copy *copy = &peering->copy;
    char result[16];
    int64_t batch;
    bool last = copy->complete;
    stream->sending = false;
    if (!peering_stream_read(peering, reply, result, sizeof result, &batch)) {
        peering_copy_end(peering);
        return;
    }
    if (strcmp(result, "full") == 0) {
        be_full(peering);
        return;
    }
    if (strcmp(result, "ok") != 0) {
        peering_failed(peering, &stream->retry, what, result);
        end(peering); /* perhaps the peer has the whole copy, and only its answer was lost */
        return;
    }
    peering_succeeded(peering, &stream->retry, what);
    if (!last) {
        go_on(peering);
        return;
    }
    stream->differs = false;
    copy->ended_ms = clock_steady_ms();
    log_info("node %d has a copy of this node's queue, of batch %lld", peering->conf->peer.node,
             (long long)batch);
    end(peering);
}

static void send_part(struct peering *peering) {
    struct copy *copy = &peering->copy;
    char path[PATH_SIZE];
    char id[ID_TEXT_SIZE];
    peering_source(peering, path, sizeof path, "/peer/replica/pages");
    size_t length = strlen(path);
    id_format(id, copy->id);
    snprintf(path + length, sizeof path - length,
             "&copy=%s&part=%lld&bytes=%lld&last=%d&differs=%d", id, (long long)copy->part,
             (long long)copy->file_bytes, copy->complete, peering->stream.differs);
    copy->again = false;
    peering->stream.sending = true;
    peering_post_bytes(peering, path, &copy->body, take_part);
}

void peering_copy_turn(struct peering *peering) {
    struct copy *copy = &peering->copy;
    if (!copy->pages) {
        if (!begin(peering))
            return;
        log_info("node %d gets a copy of this node's queue", peering->conf->peer.node);
        peering_stream_go(peering, STREAM_COPY, COPY_COPYING);
    }
    if (copy->again || gather(peering))
        send_part(peering);
    else
        be_broken_off(peering);
}
