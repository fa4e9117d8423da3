#include "verbs/lines.h"

#include <string.h>

#include "base/say.h"
#include "hex.h"
#include "json.h"

void object_begin(struct buffer *line, const char *type) {
    json_open(line, '{');
    object_text(line, "type", type);
}

void object_id(struct buffer *line, const uint8_t id[ITEM_ID_BYTES]) {
    char text[ITEM_ID_SIZE];
    item_id_write(text, id);
    object_text(line, "id", text);
}

void object_text(struct buffer *line, const char *name, const char *text) {
    json_name(line, name);
    json_put_string(line, text);
}

void object_hex(struct buffer *line, const char *name, const uint8_t *bytes, size_t length) {
    json_name(line, name);
    json_put_hex(line, bytes, length);
}

void object_number(struct buffer *line, const char *name, int64_t number) {
    json_name(line, name);
    json_put_integer(line, number);
}

void object_print(struct buffer *line) {
    json_close(line, '}');
    line_print(line);
}

void line_print(struct buffer *line) {
    buffer_puts(line, "\n");
    out_bytes(line);
    buffer_free(line);
}

/* Appends a value as 128 hex digits. */
static void put_value(struct buffer *line, const uint8_t value[DIGEST_BYTES]) {
    char text[2 * DIGEST_BYTES];
    hex_encode(text, value, DIGEST_BYTES);
    buffer_append(line, text, sizeof text);
}

void line_of_file(bool json, bool quiet, const uint8_t value[DIGEST_BYTES],
                  const uint8_t id[ITEM_ID_BYTES], const char *name) {
    struct buffer line = {0};
    if (json) {
        object_begin(&line, "value");
        object_id(&line, id);
        object_text(&line, "file", name);
        object_hex(&line, "value", value, DIGEST_BYTES);
        object_print(&line);
        return;
    }
    if (!quiet && name_is_escaped(name))
        buffer_puts(&line, "\\");
    put_value(&line, value);
    if (!quiet) {
        buffer_puts(&line, "  ");
        put_name(&line, name);
    }
    line_print(&line);
}

void line_of_item(bool json, bool quiet, const uint8_t value[DIGEST_BYTES],
                  const uint8_t id[ITEM_ID_BYTES]) {
    struct buffer line = {0};
    char text[ITEM_ID_SIZE];
    if (json) {
        object_begin(&line, "value");
        object_id(&line, id);
        object_hex(&line, "value", value, DIGEST_BYTES);
        object_print(&line);
        return;
    }
    item_id_write(text, id);
    if (!quiet)
        buffer_printf(&line, "%s ", text);
    put_value(&line, value);
    line_print(&line);
}
