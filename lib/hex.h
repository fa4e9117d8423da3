#ifndef HASHMILL_HEX_H
#define HASHMILL_HEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Writes length bytes as 2 x length lower-case hex digits, without a NUL. */
void hex_encode(char *text, const uint8_t *bytes, size_t length);

/* Reads exactly `length` bytes from text, which must be 2 x length lower-case hex digits
 * (text_length says how many characters there are). Otherwise false, with bytes undefined. */
bool hex_decode(uint8_t *bytes, size_t length, const char *text, size_t text_length);

#endif
