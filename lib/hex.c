#include "hex.h"

void hex_encode(char *text, const uint8_t *bytes, size_t length) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < length; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
}

/* The value of a lower-case hex digit, or -1. */
static int digit_value(char digit) {
    /* The value plus one: a table, as branches on digits that nobody can foretell cost far more. */
    static const uint8_t values[256] = {
        ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,
        ['6'] = 7,  ['7'] = 8,  ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12,
        ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16};
    return values[(unsigned char)digit] - 1;
}

bool hex_decode(uint8_t *bytes, size_t length, const char *text, size_t text_length) {
    if (text_length != 2 * length)
        return false;
    for (size_t i = 0; i < length; i++) {
        int high = digit_value(text[2 * i]);
        int low = digit_value(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}
