#include "base/item_id.h"

#include <string.h>

#include "hex.h"

/* Where the parts of a UUID begin in its text, and their lengths. */
static const struct { int begin, length; } parts[] = {{0, 8}, {9, 4}, {14, 4}, {19, 4}, {24, 12}};

enum { PARTS = sizeof parts / sizeof *parts };

bool item_id_read(uint8_t id[ITEM_ID_BYTES], const char *text, size_t length) {
    if (length != ITEM_ID_SIZE - 1)
        return false;
    for (int i = 0; i < PARTS; i++) {
        size_t bytes = (size_t)parts[i].length / 2;
        if ((i > 0 && text[parts[i].begin - 1] != '-') ||
            !hex_decode(id, bytes, text + parts[i].begin, 2 * bytes))
            return false;
        id += bytes;
    }
    return true;
}

void item_id_write(char text[ITEM_ID_SIZE], const uint8_t id[ITEM_ID_BYTES]) {
    for (int i = 0; i < PARTS; i++) {
        size_t bytes = (size_t)parts[i].length / 2;
        hex_encode(text + parts[i].begin, id, bytes);
        text[parts[i].begin + parts[i].length] = '-';
        id += bytes;
    }
    text[ITEM_ID_SIZE - 1] = '\0';
}
