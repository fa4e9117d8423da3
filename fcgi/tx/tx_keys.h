#ifndef HASHMILL_TX_KEYS_H
#define HASHMILL_TX_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "queue/queue.h"

/*
 * The idempotency keys of the enqueues of one batch. A key is claimed in the database for the first
 * request of it before anything is known of that request's fate, so that no other node can use it
 * until the batch ends. A claim that nothing came of goes with the commit.
 */
enum { TX_KEYS_MAX = 1024 };

struct tx_key {
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
struct tx_keys {
    int count;
    uint16_t slots[2 * TX_KEYS_MAX]; /* by the hash: number in the list, plus 1; 0: free */
    struct tx_key list[TX_KEYS_MAX];
    struct tx_key *order[TX_KEYS_MAX]; /* by client and key, after tx_keys_sort */
};

/* Forgets all keys. */
void tx_keys_clear(struct tx_keys *keys);

/* A key of a client; NULL: it was not wanted. */
struct tx_key *tx_keys_find(struct tx_keys *keys, int64_t client, const char *key);

/* Adds a key that is to be claimed, unless it is known. NULL without room. */
struct tx_key *tx_keys_add(struct tx_keys *keys, const struct tx_key *wanted);

/* Notes that an item of this batch has the key, which was not taken. */
void tx_key_take(struct tx_key *key, const struct uuid *id, int64_t iterations,
                 const uint8_t digest[DIGEST_SIZE]);

/* Sets keys->order, so that no two batches wait for each other's keys. */
void tx_keys_sort(struct tx_keys *keys);

#endif
