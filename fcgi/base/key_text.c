#include "key_text.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "base64url.h"
#include "exit_code.h"
#include "hex.h"
#include "keys.h"
#include "random.h"

enum { PREFIX_LENGTH = 4, SECRET_BYTES = 32, SECRET_LENGTH = 43, SUM_LENGTH = 6 };

static const char letters[KEY_ROLES + 1] = "wcov"; /* in the order of enum key_role */

/* Writes the checksum of the first length characters behind them. */
static void put_sum(char *text, size_t length) {
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    unsigned long sum = crc32(0, (const unsigned char *)text, (unsigned)length);
    for (int i = SUM_LENGTH - 1; i >= 0; i--) {
        text[length + (size_t)i] = digits[sum % 62];
        sum /= 62;
    }
    text[length + SUM_LENGTH] = '\0';
}

void key_text_make(char text[KEY_TEXT_SIZE], enum key_role role) {
    uint8_t secret[SECRET_BYTES];
    random_fill(secret, sizeof secret);
    snprintf(text, KEY_TEXT_SIZE, "hm%c_", letters[role]);
    base64url_encode(text + PREFIX_LENGTH, secret, sizeof secret);
    put_sum(text, PREFIX_LENGTH + SECRET_LENGTH);
}

bool key_text_parse(const char *text, enum key_role *role) {
    char again[KEY_TEXT_SIZE];
    const char *letter;
    if (strlen(text) != KEY_TEXT_SIZE - 1 || strncmp(text, "hm", 2) != 0 || text[3] != '_')
        return false;
    letter = strchr(letters, text[2]);
    memcpy(again, text, KEY_TEXT_SIZE);
    put_sum(again, PREFIX_LENGTH + SECRET_LENGTH);
    if (!letter || strcmp(again, text) != 0)
        return false;
    *role = (enum key_role)(letter - letters);
    return true;
}

/* Joins words, each behind a blank. False with the reason when there is no room for all. */
static bool join(char *text, size_t size, int count, char **words, char *why, size_t why_size) {
    size_t length = 0;
    text[0] = '\0';
    for (int i = 0; i < count; i++) {
        length += (size_t)snprintf(text + length, size - length, " %s", words[i]);
        if (length >= size) {
            snprintf(why, why_size, "the attributes are too long");
            return false;
        }
    }
    return true;
}

int key_text_print(const char *role, const char *name, int count, char **attributes) {
    char text[KEY_TEXT_SIZE];
    char line[300]; /* a line's part behind the hash */
    char copy[sizeof line];
    char why[300];
    char hash[2 * KEY_HASH_SIZE];
    struct key key = {.role = key_role_named(role)};
    if (key.role == KEY_ROLES) {
        fprintf(stderr, "hashmill-fcgi: the role must be worker, client, operator or viewer\n");
        return EXIT_CONFIG;
    }
    if (!key_name_is_good(name)) {
        fprintf(
            stderr,
            "hashmill-fcgi: the name must have 1 to %d letters, digits, dots, underscores and "
            "dashes, the first a letter or digit; \"shared\" and names like those of machines are "
            "taken\n",
            KEY_NAME_SIZE - 1);
        return EXIT_CONFIG;
    }
    bool good = join(line, sizeof line, count, attributes, why, sizeof why);
    snprintf(copy, sizeof copy, "%s", line);
    if (!good || !key_read_attributes(&key, copy, why, sizeof why)) {
        fprintf(stderr, "hashmill-fcgi: %s\n", why);
        return EXIT_CONFIG;
    }
    key_text_make(text, key.role);
    if (EVP_Digest(text, strlen(text), key.hash, NULL, EVP_sha256(), NULL) != 1)
        return EXIT_TEMPORARY;
    hex_encode(hash, key.hash, KEY_HASH_SIZE);
    printf("# the key; it is not shown again:\n%s\n# its line for the file KEYS:\n%s %s %.*s%s\n",
           text, role, name, (int)sizeof hash, hash, line);
    return EXIT_OK;
}
