#include "base64url.h"

#include <openssl/evp.h>
#include <string.h>

void base64url_encode(char *text, const uint8_t *bytes, size_t length) {
    unsigned char plain[4 * BASE64URL_BYTES_MAX / 3 + 1];
    EVP_EncodeBlock(plain, bytes, (int)length);
    size_t end = 0;
    for (; plain[end] != '\0' && plain[end] != '='; end++)
        text[end] = plain[end] == '+' ? '-' : plain[end] == '/' ? '_' : (char)plain[end];
    text[end] = '\0';
}
