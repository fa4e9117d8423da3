#include "machine_token.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base64url.h"
#include "hex.h"
#include "random.h"

enum { MAC_BYTES = 32, MAC_LENGTH = 43, PREFIX_SIZE = 48, NAME_RANDOM_DIGITS = 12 };

static const char prefix[] = "hmm_";
static const char purpose[] = "machine-1"; /* with its NUL in front of the name */

/* Writes the MAC of a name as text. */
static void make_mac(const char *secret, const char *name, char mac[MAC_LENGTH + 1]) {
    uint8_t message[sizeof purpose + MACHINE_NAME_SIZE];
    uint8_t bytes[MAC_BYTES];
    unsigned length = 0;
    size_t name_length = strlen(name);
    memcpy(message, purpose, sizeof purpose);
    memcpy(message + sizeof purpose, name, name_length);
    HMAC(EVP_sha256(), secret, (int)strlen(secret), message, sizeof purpose + name_length, bytes,
         &length);
    base64url_encode(mac, bytes, sizeof bytes);
}

void machine_token_make(const struct conf *conf, const char *name, char token[MACHINE_TOKEN_SIZE]) {
    char mac[MAC_LENGTH + 1];
    make_mac(conf->machine_secret, name, mac);
    snprintf(token, MACHINE_TOKEN_SIZE, "%s%s~%s", prefix, name, mac);
}

bool machine_token_is_one(const char *text) {
    return strncmp(text, prefix, strlen(prefix)) == 0 && strchr(text, '~') != NULL;
}

/* What the names of this node's machines begin with. */
static void write_prefix(const struct conf *conf, char fleet[PREFIX_SIZE]) {
    snprintf(fleet, PREFIX_SIZE, "%.32s-%d-", conf->fleet, (int)conf->node);
}

void machine_new_name(const struct conf *conf, char name[MACHINE_NAME_SIZE]) {
    uint8_t bytes[NAME_RANDOM_DIGITS / 2];
    char fleet[PREFIX_SIZE];
    char digits[NAME_RANDOM_DIGITS];
    random_fill(bytes, sizeof bytes);
    hex_encode(digits, bytes, sizeof bytes);
    write_prefix(conf, fleet);
    snprintf(name, MACHINE_NAME_SIZE, "%s%.*s", fleet, NAME_RANDOM_DIGITS, digits);
}

bool machine_is_own(const struct conf *conf, const char *name) {
    char fleet[PREFIX_SIZE];
    write_prefix(conf, fleet);
    size_t length = strlen(fleet);
    return strncmp(name, fleet, length) == 0 &&
           strspn(name + length, "0123456789abcdef") == NAME_RANDOM_DIGITS &&
           name[length + NAME_RANDOM_DIGITS] == '\0';
}

static bool has_mac(const char *secret, const char *name, const char *mac) {
    char right[MAC_LENGTH + 1];
    if (secret[0] == '\0')
        return false;
    make_mac(secret, name, right);
    return CRYPTO_memcmp(right, mac, MAC_LENGTH) == 0;
}

bool machine_token_check(const struct conf *conf, const char *token, char name[MACHINE_NAME_SIZE]) {
    if (!machine_token_is_one(token))
        return false;
    const char *start = token + strlen(prefix);
    const char *tilde = strrchr(start, '~');
    size_t length = (size_t)(tilde - start);
    if (length == 0 || length >= MACHINE_NAME_SIZE || strlen(tilde + 1) != MAC_LENGTH)
        return false;
    memcpy(name, start, length);
    name[length] = '\0';
    return has_mac(conf->machine_secret, name, tilde + 1) ||
           has_mac(conf->machine_secret_old, name, tilde + 1);
}
