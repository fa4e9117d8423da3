/*
 * SHA-512 as FIPS 180-4 says it, in plain C: takes the place of worker/kernels/sha512_openssl.c
 * where there is no OpenSSL, as in a program for another processor. The constants are computed, so
 * that it shares none with the kernels. Before main it compares itself with the known answers of
 * worker/kernels/selftest.c. Needs a long double of 113 bits, which aarch64 has.
 */

#include "worker/kernels/sha512_openssl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "worker/kernels/selftest.h"

enum { BLOCK_SIZE = 128, ROUNDS = 80 };

static uint64_t initial[CHAIN_WORDS], constants[ROUNDS];

static bool is_prime(int number) {
    for (int i = 2; i * i <= number; i++) {
        if (number % i == 0)
            return false;
    }
    return true;
}

/* The first 64 bits of its fraction. */
static uint64_t fraction(long double root) {
    return (uint64_t)ldexpl(root - floorl(root), 64);
}

/* Sections 5.3.5 and 4.2.3: of the square roots of the first eight primes, of the cube roots of the
 * first eighty. */
static void fill_constants(void) {
    int prime = 1;
    for (int i = 0; i < ROUNDS; i++) {
        do
            prime++;
        while (!is_prime(prime));
        constants[i] = fraction(cbrtl(prime));
        if (i < CHAIN_WORDS)
            initial[i] = fraction(sqrtl(prime));
    }
}

static uint64_t rotr(uint64_t x, int n) {
    return x >> n | x << (64 - n);
}

/* A round whose a is s[at]; the state is not moved, but begins one place before in the next. */
static inline void round_of(uint64_t s[CHAIN_WORDS], int at, uint64_t sum) {
    uint64_t a = s[at], b = s[(at + 1) & 7], c = s[(at + 2) & 7];
    uint64_t e = s[(at + 4) & 7], f = s[(at + 5) & 7], g = s[(at + 6) & 7];
    sum += s[(at + 7) & 7] + (rotr(e, 14) ^ rotr(e, 18) ^ rotr(e, 41)) + ((e & f) ^ (~e & g));
    s[(at + 3) & 7] += sum;
    s[(at + 7) & 7] =
        sum + (rotr(a, 28) ^ rotr(a, 34) ^ rotr(a, 39)) + ((a & b) ^ (a & c) ^ (b & c));
}

/* Section 6.4.2, for the only block of a message. */
static void compress(uint64_t digest[CHAIN_WORDS], const uint64_t block[16]) {
    uint64_t w[ROUNDS], s[CHAIN_WORDS];
    memcpy(s, initial, sizeof s);
    memcpy(w, block, 16 * sizeof *w);
    for (int t = 16; t < ROUNDS; t++) {
        uint64_t x = w[t - 15], y = w[t - 2];
        w[t] = (rotr(y, 19) ^ rotr(y, 61) ^ y >> 6) + w[t - 7] +
               (rotr(x, 1) ^ rotr(x, 8) ^ x >> 7) + w[t - 16];
    }
    for (int t = 0; t < ROUNDS; t += 8) {
        round_of(s, 0, w[t] + constants[t]);
        round_of(s, 7, w[t + 1] + constants[t + 1]);
        round_of(s, 6, w[t + 2] + constants[t + 2]);
        round_of(s, 5, w[t + 3] + constants[t + 3]);
        round_of(s, 4, w[t + 4] + constants[t + 4]);
        round_of(s, 3, w[t + 5] + constants[t + 5]);
        round_of(s, 2, w[t + 6] + constants[t + 6]);
        round_of(s, 1, w[t + 7] + constants[t + 7]);
    }
    for (int i = 0; i < CHAIN_WORDS; i++)
        digest[i] = s[i] + initial[i];
}

/* Of at most 111 bytes, which are one block. */
static void digest_of(const void *bytes, size_t length, uint8_t digest[CHAIN_SIZE]) {
    uint8_t padded[BLOCK_SIZE] = {0};
    uint64_t block[2 * CHAIN_WORDS], value[CHAIN_WORDS];
    if (length > BLOCK_SIZE - 17)
        abort();
    memcpy(padded, bytes, length);
    padded[length] = 0x80;
    padded[BLOCK_SIZE - 2] = (uint8_t)(length >> 5);
    padded[BLOCK_SIZE - 1] = (uint8_t)(length << 3);
    chain_load(block, padded);
    chain_load(block + CHAIN_WORDS, padded + CHAIN_SIZE);
    compress(value, block);
    chain_store(digest, value);
}

void sha512_openssl_digest(struct sha512_openssl *openssl, const void *bytes, size_t length,
                           uint8_t digest[CHAIN_SIZE]) {
    (void)openssl;
    digest_of(bytes, length, digest);
}

void sha512_openssl_chains(struct sha512_openssl *openssl, uint8_t (*chains)[CHAIN_SIZE], int count,
                           int64_t iterations) {
    (void)openssl;
    for (int64_t i = 0; i < iterations * count; i++)
        digest_of(chains[i % count], CHAIN_SIZE, chains[i % count]);
}

struct sha512_openssl *sha512_openssl_open(void) {
    return NULL;
}

void sha512_openssl_close(struct sha512_openssl *openssl) {
    (void)openssl;
}

static void run(uint64_t (*chains)[CHAIN_WORDS], int64_t iterations) {
    uint8_t digest[CHAIN_SIZE];
    chain_store(digest, chains[0]);
    for (int64_t done = 0; done < iterations; done++)
        digest_of(digest, CHAIN_SIZE, digest);
    chain_load(chains[0], digest);
}

static bool usable(void) {
    return true;
}

const struct kernel kernel_openssl = {"openssl", 1, run, usable, NULL};

__attribute__((constructor)) static void begin(void) {
    char why[500];
    fill_constants();
    if (!selftest_run(why, sizeof why)) {
        fprintf(stderr, "%s\n", why);
        exit(1);
    }
}
