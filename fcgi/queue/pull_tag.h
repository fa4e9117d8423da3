#ifndef HASHMILL_PULL_TAG_H
#define HASHMILL_PULL_TAG_H

#include "queue.h"

/* The tag of a pull with a key: 16 bytes of SHA-256 of client and key, then top and order. Items
 * that were handed out carry it. */

/* Makes the tag. False when the hash fails. */
bool pull_tag(uint8_t tag[PULL_TAG_SIZE], const struct queue_pull *pull);

/* The least and the greatest tag of a key. */
struct tag_range {
    uint8_t low[PULL_TAG_SIZE];
    uint8_t high[PULL_TAG_SIZE];
};
struct tag_range pull_tags_of_key(const uint8_t tag[PULL_TAG_SIZE]);

#endif
