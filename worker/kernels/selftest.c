#include "selftest.h"

#include <stdio.h>
#include <string.h>

#include "hex.h"
#include "processor.h"
#include "sha512_openssl.h"

/*
 * SHA-512 of "abc" and of nothing: NIST, FIPS 180-4 example values. The chains' ends have no
 * published source; they were computed with Perl's own implementation of SHA-512:
 *
 *     perl -MDigest::SHA=sha512 -e '$v = sha512("abc"); $v = sha512($v) for 1..10000;
 *                                   print unpack("H*", $v)'
 */
enum { CHAIN_ITERATIONS = 10000, ANSWERS = 2 };

static const struct {
    const char *text, *digest, *chain_end;
} answers[ANSWERS] = {
    {"abc",
     "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
     "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
     "c158c1f3c5dac54eb1874e35083f740576a621f4da8517c4908ab3ba0367ec53"
     "3923ad603e9d8351573e6e5b72e964f612884142f73600ca0525497d766aaef0"},
    {"",
     "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
     "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
     "de308d38732faa35b0f21da51620e6ae70b1617a4fc038baaf76e204f97177e6"
     "55a08d7b951fe8ee127a587d1fdef938a49e10cb0d4438eba5e1bc5a87d4c959"},
};

static bool equals(const uint8_t digest[CHAIN_SIZE], const char *hex) {
    char text[2 * CHAIN_SIZE];
    hex_encode(text, digest, CHAIN_SIZE);
    return memcmp(text, hex, sizeof text) == 0;
}

/* What came out wrong, or NULL. */
static const char *wrong_answer(struct sha512_openssl *kernel) {
    uint8_t chains[ANSWERS][CHAIN_SIZE];
    for (int i = 0; i < ANSWERS; i++) {
        sha512_openssl_digest(kernel, answers[i].text, strlen(answers[i].text), chains[i]);
        if (!equals(chains[i], answers[i].digest))
            return i == 0 ? "the digest of \"abc\"" : "the digest of nothing";
    }
    sha512_openssl_chains(kernel, chains, ANSWERS, CHAIN_ITERATIONS);
    for (int i = 0; i < ANSWERS; i++) {
        if (!equals(chains[i], answers[i].chain_end))
            return "a chain of 10,000 iterations";
    }
    return NULL;
}

bool selftest_run(char *why, size_t why_size) {
    struct sha512_openssl *kernel = sha512_openssl_open();
    const char *wrong = wrong_answer(kernel);
    sha512_openssl_close(kernel);
    if (!wrong)
        return true;
    char processor[200];
    processor_name(processor, sizeof processor);
    snprintf(why, why_size,
             "this machine computes SHA-512 wrongly: %s differs from the known answer "
             "(processor %s, kernel openssl); take the machine out of service",
             wrong, processor);
    return false;
}
