#ifndef HASHMILL_CLIENT_ITEM_KEY_H
#define HASHMILL_CLIENT_ITEM_KEY_H

#include <stddef.h>
#include <stdint.h>

enum { DIGEST_BYTES = 64, ITEM_KEY_BYTES = 16 };

/* The idempotency key of an item, the same for the same job, path, digest and number of iterations:
 * the first half of SHA-256 over "hashmill item 1", a NUL, job, a NUL, path, a NUL, the digest, and
 * the iterations as eight bytes, the highest first. */
void item_key(uint8_t key[ITEM_KEY_BYTES], const char *job, const char *path,
              const uint8_t digest[DIGEST_BYTES], int64_t iterations);

/* SHA-512 of bytes. */
void body_digest(uint8_t digest[DIGEST_BYTES], const void *bytes, size_t length);

#endif
