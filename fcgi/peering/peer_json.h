#ifndef HASHMILL_PEER_JSON_H
#define HASHMILL_PEER_JSON_H

#include "json.h"
#include "protocol.h"
#include "queue/queue_peers.h"

/*
 * Items in JSON between nodes: in the requests that the handlers read and in the replies that the
 * peering process reads. Both come from outside, so every value is checked; unknown members are
 * ignored.
 */

/* What is wrong with an item: the member, and what it must be. */
struct peer_fault {
    const char *field;
    const char *rule;
};

/* Appends an item as an object: id, chain, iterations, remaining, state, enqueued and completed
 * (milliseconds since 1970; completed when it is done or pulled), strikes. */
void peer_json_put_item(struct buffer *body, const struct queue_item *item);

/* Appends the member "items"; the member "tag" of a pull. */
void peer_json_put_items(struct buffer *body, const struct queue_batch *batch);
void peer_json_put_tag(struct buffer *body, const uint8_t tag[PULL_TAG_SIZE]);

/* Appends the members known, more, end and items of a page of a list; its items have the member
 * client besides. */
void peer_json_put_page(struct buffer *body, const struct queue_page *page);

/* Reads them from an object, as the answer to a question for this list. False with the
 * fault. */
bool peer_json_read_page(const struct json *json, int token, const struct queue_list *list,
                         struct queue_page *page, struct peer_fault *fault);

/* Reads the name of a state. */
bool peer_json_read_state(const struct json *json, int token, int32_t *state);

/* Reads an item as peer_json_put_item writes it. False with the fault. */
bool peer_json_read_item(const struct json *json, int token, struct queue_item *item,
                         struct peer_fault *fault);

/* Reads an array of at most `max` items. False with the fault; *index gets the place of the faulty
 * item, -1 for the array itself. */
bool peer_json_read_items(const struct json *json, int token, int max, struct queue_batch *batch,
                          int *index, struct peer_fault *fault);

/* Reads the tag of a pull over both nodes, 38 lower-case hex digits. False for anything else, also
 * for the tag of a client's key: a pull with a key is of one node only. */
bool peer_json_read_tag(const struct json *json, int token, uint8_t tag[PULL_TAG_SIZE]);

#endif
