/* The idempotency keys of one batch. */

#include "tx_keys.h"

#include <stdlib.h>
#include <string.h>

enum { SLOTS = 2 * TX_KEYS_MAX };

/* The place of a key, or the free one where it belongs. */
static unsigned slot_of(const struct tx_keys *keys, int64_t client, const char *key) {
    uint64_t hash = (uint64_t)client;
    for (const char *at = key; *at != '\0'; at++)
        hash = (hash ^ (unsigned char)*at) * UINT64_C(0x100000001b3);
    unsigned slot = (unsigned)((hash * UINT64_C(0x9e3779b97f4a7c15)) >> 40) % SLOTS;
    for (; keys->slots[slot] > 0; slot = (slot + 1) % SLOTS) {
        const struct tx_key *known = &keys->list[keys->slots[slot] - 1];
        if (known->client == client && strcmp(known->key, key) == 0)
            break;
    }
    return slot;
}

void tx_keys_clear(struct tx_keys *keys) {
    if (keys->count > 0)
        memset(keys->slots, 0, sizeof keys->slots);
    keys->count = 0;
}

struct tx_key *tx_keys_find(struct tx_keys *keys, int64_t client, const char *key) {
    uint16_t number = keys->slots[slot_of(keys, client, key)];
    return number > 0 ? &keys->list[number - 1] : NULL;
}

struct tx_key *tx_keys_add(struct tx_keys *keys, const struct tx_key *wanted) {
    struct tx_key *key = tx_keys_find(keys, wanted->client, wanted->key);
    if (key || keys->count == TX_KEYS_MAX)
        return key;
    unsigned slot = slot_of(keys, wanted->client, wanted->key);
    key = &keys->list[keys->count++];
    *key = *wanted;
    key->is_taken = key->is_read = key->is_ours = false;
    key->claimed = key->id;
    keys->slots[slot] = (uint16_t)keys->count;
    return key;
}

void tx_key_take(struct tx_key *key, const struct uuid *id, int64_t iterations,
                 const uint8_t digest[DIGEST_SIZE]) {
    key->is_taken = true;
    key->id = *id;
    key->iterations = iterations;
    memcpy(key->digest, digest, DIGEST_SIZE);
}

static int compare(const void *one, const void *other) {
    const struct tx_key *a = *(struct tx_key *const *)one;
    const struct tx_key *b = *(struct tx_key *const *)other;
    if (a->client != b->client)
        return a->client < b->client ? -1 : 1;
    return strcmp(a->key, b->key);
}

void tx_keys_sort(struct tx_keys *keys) {
    for (int i = 0; i < keys->count; i++)
        keys->order[i] = &keys->list[i];
    qsort(keys->order, (size_t)keys->count, sizeof(struct tx_key *), compare);
}
