#ifndef HASHMILL_CLIENT_BATCH_H
#define HASHMILL_CLIENT_BATCH_H

#include "base/command.h"
#include "buffer.h"
#include "net/net.h"
#include "verbs/enqueue.h"

/* Files that are sent together: as lines of POST /items, or each by its own PUT /enqueue. */

enum { BATCH_MAX = 1000, BATCH_BODIES_MAX = 16 };

/* One file; settled parts are taken out by batch_send. */
struct part {
    int item;
    size_t name, path; /* where in texts: as given, absolute */
    size_t body, body_length;
    uint8_t key[ITEM_KEY_BYTES];
    uint8_t digest[DIGEST_BYTES];
};

struct batch {
    struct part *parts; /* BATCH_MAX of them */
    int count;
    struct buffer texts, bodies;
    int owner;        /* the node that may have these parts already; NET_ANY: none has */
    int owner_before; /* the last request */
    int noted_at;     /* the node to which they go by the journal; NET_ANY: not noted yet */
};

/* What a batch needs to be sent. */
struct sending {
    struct session *session;
    struct journal *journal;
    const struct enqueue_events *events;
    int code;        /* the worst so far of single files */
    int64_t settled; /* files that are placed or have failed */
};

/* Sends all parts to a node, after the journal has them. Parts that are answered are settled; the
 * others stay for the next time. Returns CLIENT_DONE, or an exit code with which all must end. */
int batch_send(struct sending *sending, struct batch *batch, int node);

/* Has the journal know that no node has the parts, if that is so. */
void batch_give_up(struct sending *sending, struct batch *batch);

void batch_free(struct batch *batch);

#endif
