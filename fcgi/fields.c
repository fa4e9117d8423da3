#include "fields.h"

#include "clock.h"
#include "id.h"

void fields_put_integer(struct buffer *body, const char *name, int64_t value) {
    json_name(body, name);
    json_put_integer(body, value);
}

void fields_put_time(struct buffer *body, const char *name, int64_t wall_ms) {
    char text[CLOCK_TEXT_SIZE];
    clock_format(text, wall_ms);
    json_name(body, name);
    json_put_plain(body, text, CLOCK_TEXT_SIZE - 1);
}

void fields_put_digest(struct buffer *body, const char *name, const uint8_t digest[DIGEST_SIZE]) {
    json_name(body, name);
    json_put_hex(body, digest, DIGEST_SIZE);
}

void fields_put_id(struct buffer *body, const char *name, struct uuid id) {
    char text[ID_TEXT_SIZE];
    id_format(text, id);
    if (name)
        json_name(body, name);
    json_put_plain(body, text, ID_TEXT_SIZE - 1);
}
