#ifndef HASHMILL_BASE64URL_H
#define HASHMILL_BASE64URL_H

#include <stddef.h>
#include <stdint.h>

enum { BASE64URL_BYTES_MAX = 48 };

/* Writes length bytes, at most BASE64URL_BYTES_MAX, as base64url without padding (RFC 4648, 5),
 * with a NUL: 4 characters for 3 bytes. */
void base64url_encode(char *text, const uint8_t *bytes, size_t length);

#endif
