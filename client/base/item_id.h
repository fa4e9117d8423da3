#ifndef HASHMILL_CLIENT_ITEM_ID_H
#define HASHMILL_CLIENT_ITEM_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ITEM_ID_BYTES = 16, ITEM_ID_SIZE = 37 /* of its text, with the NUL */ };

/* Reads an item's id, 36 characters in lower case. False for any other text. */
bool item_id_read(uint8_t id[ITEM_ID_BYTES], const char *text, size_t length);

/* Writes it, with a NUL. */
void item_id_write(char text[ITEM_ID_SIZE], const uint8_t id[ITEM_ID_BYTES]);

#endif
