#ifndef HASHMILL_PEER_JSON_H
#define HASHMILL_PEER_JSON_H

#include "json.h"
#include "queue/queue_peers.h"

/*
 * Items in JSON, as nodes tell each other of them: in the requests that the handlers read and in
 * the replies that the peering process reads. Both come from outside, so every value is checked;
 * members that are not known are ignored.
 */

/* The values of a body's members in the wire's units. */
enum { PEER_PROTOCOL = 1, PEER_NODE_MAX = 255 };

/* What is wrong with an item: the member, and what it must be. */
struct peer_fault {
    const char *field;
    const char *rule;
};

/* Appends an item as an object: id, digest, chain (left out while it is the digest), iterations,
 * remaining, state, enqueued and completed (milliseconds since 1970; completed when it is done or
 * pulled), home, moves, trial; and, if it has them, pull (hex) and key. */
void peer_json_put_item(struct buffer *body, const struct queue_copy *item);

/* Appends the member "items". */
void peer_json_put_items(struct buffer *body, const struct queue_copies *copies);

/* Reads what peer_json_put_item has written. False with the fault. */
bool peer_json_read_item(const struct json *json, int token, struct queue_copy *item,
                         struct peer_fault *fault);

/* Reads an array of at least and at most so many items; copies->node is left alone. False with the
 * fault, and the place of the item that has it in *index, -1 for the array itself. */
bool peer_json_read_items(const struct json *json, int token, int min, int max,
                          struct queue_copies *copies, int *index, struct peer_fault *fault);

/* An item that a client looks at: as above, also leased and with its strikes, but without what only
 * the nodes have to know. */
void peer_json_put_look(struct buffer *body, const struct queue_item *item);
bool peer_json_read_look(const struct json *json, int token, struct queue_item *item,
                         struct peer_fault *fault);

#endif
