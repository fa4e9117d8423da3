#ifndef HASHMILL_JSON_CHECK_H
#define HASHMILL_JSON_CHECK_H

#include <stddef.h>

/* Checks that the bytes are one JSON text by the grammar of RFC 8259, in valid UTF-8, at most
 * JSON_DEPTH_MAX containers deep. NULL if so, else a phrase that says what is wrong. */
const char *json_check(const char *text, size_t length);

/* The length of the valid UTF-8 sequence (RFC 3629) at the start of the bytes, 1 to 4, or 0. */
size_t utf8_length(const unsigned char *bytes, size_t available);

#endif
