#ifndef HASHMILL_SHA512_OPENSSL_H
#define HASHMILL_SHA512_OPENSSL_H

#include <stddef.h>
#include <stdint.h>

#include "kernel.h"

/*
 * SHA-512 by OpenSSL, one chain after the other: the reference for the kernels, and the fallback
 * where none of them can run (kernel_openssl, in kernel.h). The functions here take digests as
 * bytes and a context that one thread owns. What OpenSSL refuses here it would always refuse, so
 * that ends the process with a log line.
 */
struct sha512_openssl;

struct sha512_openssl *sha512_openssl_open(void);
void sha512_openssl_close(struct sha512_openssl *openssl);

/* The digest of length bytes. */
void sha512_openssl_digest(struct sha512_openssl *openssl, const void *bytes, size_t length,
                           uint8_t digest[CHAIN_SIZE]);

/* Moves count chains forward, in place, by the same number of iterations. */
void sha512_openssl_chains(struct sha512_openssl *openssl, uint8_t (*chains)[CHAIN_SIZE], int count,
                           int64_t iterations);

#endif
