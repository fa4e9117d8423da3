#include "sha512_openssl.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "log.h"

/* One context started anew for each digest: of the ways that OpenSSL 3 offers and does not
 * deprecate this is the fastest, 215 ns an iteration where SHA512() takes 470 and EVP_Digest() 250.
 */
struct sha512_openssl {
    EVP_MD *sha512;
    EVP_MD_CTX *context;
};

static void must(int good) {
    if (!good) {
        log_error("OpenSSL cannot compute SHA-512; check its installation");
        abort();
    }
}

#ifdef HASHMILL_TEST
/* A machine that computes wrongly, for the test of the known-answer test. */
static void break_digest(uint8_t digest[CHAIN_SIZE]) {
    static int broken = -1;
    if (broken < 0)
        broken = getenv("HASHMILL_TEST_BROKEN_HASH") != NULL;
    digest[CHAIN_SIZE - 1] ^= (uint8_t)broken;
}
#else
#define break_digest(digest) (void)0
#endif

struct sha512_openssl *sha512_openssl_open(void) {
    struct sha512_openssl *kernel = calloc(1, sizeof *kernel);
    must(kernel != NULL);
    kernel->sha512 = EVP_MD_fetch(NULL, "SHA512", NULL);
    kernel->context = EVP_MD_CTX_new();
    must(kernel->sha512 && kernel->context &&
         EVP_DigestInit_ex(kernel->context, kernel->sha512, NULL));
    return kernel;
}

void sha512_openssl_close(struct sha512_openssl *kernel) {
    EVP_MD_CTX_free(kernel->context);
    EVP_MD_free(kernel->sha512);
    free(kernel);
}

void sha512_openssl_digest(struct sha512_openssl *kernel, const void *bytes, size_t length,
                           uint8_t digest[CHAIN_SIZE]) {
    EVP_MD_CTX *context = kernel->context;
    must(EVP_DigestInit_ex(context, NULL, NULL) && EVP_DigestUpdate(context, bytes, length) &&
         EVP_DigestFinal_ex(context, digest, NULL));
    break_digest(digest);
}

void sha512_openssl_chains(struct sha512_openssl *kernel, uint8_t (*chains)[CHAIN_SIZE], int count,
                           int64_t iterations) {
    for (int i = 0; i < count; i++) {
        for (int64_t done = 0; done < iterations; done++)
            sha512_openssl_digest(kernel, chains[i], CHAIN_SIZE, chains[i]);
    }
}
