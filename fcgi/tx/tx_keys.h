#ifndef HASHMILL_BATCH_KEYS_H
#define HASHMILL_BATCH_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "queue/queue.h"

/*
 * The idempotency keys of the enqueues of one batch. A key is claimed in the database for the first
 * request of it before anything is known of that request's fate, so that no other node can use it
 * until the batch ends. A claim that nothing came of goes with the commit.
 */
enum { BATCH_KEYS_MAX = 1024 };

struct batch_key {
    int64_t client;
    char key[QUEUE_KEY_SIZE];
    bool is_taken;      /* an item has the key, of a batch before or of this one: */
    struct uuid id;     /* this one, */
    int64_t iterations; /* with these; or whose request it is that claims the key */
    uint8_t digest[DIGEST_SIZE];
    int64_t at_ms;       /* queue clock: when it is claimed */
    bool is_read;        /* the claim was made, */
    bool is_ours;        /* and nobody had the key before, */
    struct uuid claimed; /* for this id */
};

/* Starts zeroed. */
struct batch_keys {
    int count;
    uint16_t slots[2 * BATCH_KEYS_MAX]; /* by the hash: number in the list, plus 1; 0: free */
    struct batch_key list[BATCH_KEYS_MAX];
    struct batch_key *order[BATCH_KEYS_MAX]; /* by client and key, after batch_keys_sort */
};

/* Forgets all keys. */
void batch_keys_clear(struct batch_keys *keys);

/* A key of a client; NULL: it was not wanted. */
struct batch_key *batch_keys_find(struct batch_keys *keys, int64_t client, const char *key);

/* Adds a key that is to be claimed, unless it is known. NULL without room. */
struct batch_key *batch_keys_add(struct batch_keys *keys, const struct batch_key *wanted);

/* Notes that an item of this batch has the key, which was not taken. */
void batch_key_take(struct batch_key *key, const struct uuid *id, int64_t iterations,
                    const uint8_t digest[DIGEST_SIZE]);

/* Sets keys->order, so that no two batches wait for each other's keys. */
void batch_keys_sort(struct batch_keys *keys);

#endif
