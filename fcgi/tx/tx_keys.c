/* The idempotency keys of one batch. */

#include "batch_keys.h"

#include <stdlib.h>
#include <string.h>

enum { SLOTS = 2 * BATCH_KEYS_MAX };

/* The place of a key, or the free one where it belongs. */
static unsigned slot_of(const struct batch_keys *keys, int64_t client, const char *key) {
    uint64_t hash = (uint64_t)client;
    for (const char *at = key; *at != '\0'; at++)
        hash = (hash ^ (unsigned char)*at) * UINT64_C(0x100000001b3);
    unsigned slot = (unsigned)((hash * UINT64_C(0x9e3779b97f4a7c15)) >> 40) % SLOTS;
    for (; keys->slots[slot] > 0; slot = (slot + 1) % SLOTS) {
        const struct batch_key *known = &keys->list[keys->slots[slot] - 1];
        if (known->client == client && strcmp(known->key, key) == 0)
            break;
    }
    return slot;
}

void batch_keys_clear(struct batch_keys *keys) {
    if (keys->count > 0)
        memset(keys->slots, 0, sizeof keys->slots);
    keys->count = 0;
}

struct batch_key *batch_keys_find(struct batch_keys *keys, int64_t client, const char *key) {
    uint16_t number = keys->slots[slot_of(keys, client, key)];
    return number > 0 ? &keys->list[number - 1] : NULL;
}

struct batch_key *batch_keys_add(struct batch_keys *keys, const struct batch_key *wanted) {
    struct batch_key *key = batch_keys_find(keys, wanted->client, wanted->key);
    if (key || keys->count == BATCH_KEYS_MAX)
        return key;
    unsigned slot = slot_of(keys, wanted->client, wanted->key);
    key = &keys->list[keys->count++];
    *key = *wanted;
    key->is_taken = key->is_read = key->is_ours = false;
    key->claimed = key->id;
    keys->slots[slot] = (uint16_t)keys->count;
    return key;
}

void batch_key_take(struct batch_key *key, const struct uuid *id, int64_t iterations,
                    const uint8_t digest[DIGEST_SIZE]) {
    key->is_taken = true;
    key->id = *id;
    key->iterations = iterations;
    memcpy(key->digest, digest, DIGEST_SIZE);
}

static int compare(const void *one, const void *other) {
    const struct batch_key *a = *(struct batch_key *const *)one;
    const struct batch_key *b = *(struct batch_key *const *)other;
    if (a->client != b->client)
        return a->client < b->client ? -1 : 1;
    return strcmp(a->key, b->key);
}

void batch_keys_sort(struct batch_keys *keys) {
    for (int i = 0; i < keys->count; i++)
        keys->order[i] = &keys->list[i];
    qsort(keys->order, (size_t)keys->count, sizeof(struct batch_key *), compare);
}
