#include "sha512_openssl.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>

#include "log.h"

/* One context, started again for each digest. No other way that OpenSSL 3.0 offers and does not
 * deprecate is faster by more than a twentieth: where this takes 210 ns an iteration, SHA512()
 * takes 460, a context of EVP_sha512() 400, EVP_Digest() 245, and copying a started context 205
 * (with an allocation each time). */
struct sha512_openssl {
    EVP_MD_CTX *context;
};

/* Looked up once in the life of the process: 160 ns each time otherwise. Never freed. */
static EVP_MD *sha512;
static pthread_once_t fetched = PTHREAD_ONCE_INIT;

static void must(int good) {
    if (!good) {
        log_error("OpenSSL cannot compute SHA-512; check its installation");
        abort();
    }
}

#ifdef HASHMILL_TEST
/* Computes wrongly, to test the known-answer test. */
static void break_digest(uint8_t digest[CHAIN_SIZE]) {
    static int broken = -1;
    if (broken < 0)
        broken = getenv("HASHMILL_TEST_BROKEN_HASH") != NULL;
    digest[CHAIN_SIZE - 1] ^= (uint8_t)broken;
}
#else
#define break_digest(digest) (void)0
#endif

static void fetch(void) {
    sha512 = EVP_MD_fetch(NULL, "SHA512", NULL);
    must(sha512 != NULL);
}

/* A context that was started once, so that it can be started again without naming the function. */
static EVP_MD_CTX *new_context(void) {
    must(pthread_once(&fetched, fetch) == 0);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    must(context && EVP_DigestInit_ex(context, sha512, NULL));
    return context;
}

static void digest_of(EVP_MD_CTX *context, const void *bytes, size_t length,
                      uint8_t digest[CHAIN_SIZE]) {
    must(EVP_DigestInit_ex(context, NULL, NULL) && EVP_DigestUpdate(context, bytes, length) &&
         EVP_DigestFinal_ex(context, digest, NULL));
    break_digest(digest);
}

struct sha512_openssl *sha512_openssl_open(void) {
    struct sha512_openssl *openssl = calloc(1, sizeof *openssl);
    must(openssl != NULL);
    openssl->context = new_context();
    return openssl;
}

void sha512_openssl_close(struct sha512_openssl *openssl) {
    EVP_MD_CTX_free(openssl->context);
    free(openssl);
}

void sha512_openssl_digest(struct sha512_openssl *openssl, const void *bytes, size_t length,
                           uint8_t digest[CHAIN_SIZE]) {
    digest_of(openssl->context, bytes, length, digest);
}

void sha512_openssl_chains(struct sha512_openssl *openssl, uint8_t (*chains)[CHAIN_SIZE], int count,
                           int64_t iterations) {
    for (int i = 0; i < count; i++) {
        for (int64_t done = 0; done < iterations; done++)
            digest_of(openssl->context, chains[i], CHAIN_SIZE, chains[i]);
    }
}

/* A kernel keeps no state: each call has a context of its own, which takes 80 ns. */
static void run(uint64_t (*chains)[CHAIN_WORDS], int64_t iterations) {
    uint8_t digest[CHAIN_SIZE];
    if (iterations == 0)
        return;
    EVP_MD_CTX *context = new_context();
    chain_store(digest, chains[0]);
    for (int64_t done = 0; done < iterations; done++)
        digest_of(context, digest, CHAIN_SIZE, digest);
    chain_load(chains[0], digest);
    EVP_MD_CTX_free(context);
}

static bool usable(void) {
    return true;
}

const struct kernel kernel_openssl = {"openssl", 1, run, usable, NULL};
