#include "fields.h"

#include "clock.h"
#include "hex.h"
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

bool fields_read_id(const struct json *json, int token, struct uuid *id) {
    char text[ID_TEXT_SIZE];
    return json_string(json, token, text, sizeof text) && id_parse(id, text);
}

bool fields_read_digest(const struct json *json, int token, uint8_t digest[DIGEST_SIZE]) {
    const char *text;
    size_t length;
    return json_plain(json, token, &text, &length) && hex_decode(digest, DIGEST_SIZE, text, length);
}
