#include "pull_tag.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

/* The tag is a hash of client and key, then top and order, so that one range of the index finds the
 * key of a client with any top and order. A key has no line break. */
bool pull_tag(uint8_t tag[PULL_TAG_SIZE], const struct queue_pull *pull) {
    uint8_t hash[EVP_MAX_MD_SIZE];
    char text[QUEUE_NAME_SIZE + QUEUE_KEY_SIZE];
    const char *line = pull->client[0] ? "\n" : ""; /* keys of before are nobody's, as they were */
    int length = snprintf(text, sizeof text, "%s%s%s", pull->client, line, pull->key);
    if (EVP_Digest(text, (size_t)length, hash, NULL, EVP_sha256(), NULL) != 1)
        return false;
    memcpy(tag, hash, PULL_TAG_SIZE - 3);
    tag[PULL_TAG_SIZE - 3] = (uint8_t)(pull->top >> 8);
    tag[PULL_TAG_SIZE - 2] = (uint8_t)pull->top;
    tag[PULL_TAG_SIZE - 1] = (uint8_t)pull->oldest;
    return true;
}

struct tag_range pull_tags_of_key(const uint8_t tag[PULL_TAG_SIZE]) {
    struct tag_range range;
    memcpy(range.low, tag, PULL_TAG_SIZE);
    memcpy(range.high, tag, PULL_TAG_SIZE);
    memset(range.low + PULL_TAG_SIZE - 3, 0x00, 3);
    memset(range.high + PULL_TAG_SIZE - 3, 0xff, 3);
    return range;
}
