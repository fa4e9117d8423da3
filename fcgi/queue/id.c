#include "id.h"

#include <string.h>
#include <uuid/uuid.h>

#include "clock.h"
#include "random.h"

_Static_assert(sizeof(uuid_t) == ID_SIZE, "libuuid's UUIDs are ours");

struct uuid id_new(int node) {
    struct uuid id;
    int64_t now = clock_wall_ms();
    random_fill(id.bytes, sizeof id.bytes);
    for (int i = 0; i < 6; i++)
        id.bytes[i] = (uint8_t)(now >> (40 - 8 * i));
    id.bytes[6] = (uint8_t)(0x70 | (id.bytes[6] & 0x0f));
    /* Byte 8 is the variant (binary 10) and the upper 6 bits of node; its last 2 open byte 9. */
    id.bytes[8] = (uint8_t)(0x80 | (node >> 2 & 0x3f));
    id.bytes[9] = (uint8_t)((node & 3) << 6 | (id.bytes[9] & 0x3f));
    return id;
}

int id_node(struct uuid id) {
    return (id.bytes[8] & 0x3f) << 2 | id.bytes[9] >> 6;
}

bool id_parse(struct uuid *id, const char *text) {
    return strlen(text) == ID_TEXT_SIZE - 1 && uuid_parse(text, id->bytes) == 0;
}

void id_format(char text[ID_TEXT_SIZE], struct uuid id) {
    uuid_unparse_lower(id.bytes, text);
}
