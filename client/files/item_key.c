#include "files/item_key.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"

void item_key(uint8_t key[ITEM_KEY_BYTES], const char *job, const char *path,
              const uint8_t digest[DIGEST_BYTES], int64_t iterations) {
    static const char label[] = "hashmill item 1"; /* with its NUL */
    uint8_t hash[EVP_MAX_MD_SIZE];
    uint8_t number[8];
    EVP_MD_CTX *context = memory_or_end(EVP_MD_CTX_new(), "a key");
    for (int i = 0; i < 8; i++)
        number[i] = (uint8_t)((uint64_t)iterations >> (8 * (7 - i)));
    if (EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1 ||
        EVP_DigestUpdate(context, label, sizeof label) != 1 ||
        EVP_DigestUpdate(context, job, strlen(job) + 1) != 1 ||
        EVP_DigestUpdate(context, path, strlen(path) + 1) != 1 ||
        EVP_DigestUpdate(context, digest, DIGEST_BYTES) != 1 ||
        EVP_DigestUpdate(context, number, sizeof number) != 1 ||
        EVP_DigestFinal_ex(context, hash, NULL) != 1)
        abort();
    EVP_MD_CTX_free(context);
    memcpy(key, hash, ITEM_KEY_BYTES);
}

void body_digest(uint8_t digest[DIGEST_BYTES], const void *bytes, size_t length) {
    unsigned size = DIGEST_BYTES;
    if (EVP_Digest(bytes, length, digest, &size, EVP_sha512(), NULL) != 1)
        abort();
}
