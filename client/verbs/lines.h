#ifndef HASHMILL_CLIENT_LINES_H
#define HASHMILL_CLIENT_LINES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/item_id.h"
#include "buffer.h"
#include "files/item_key.h"

/* The lines of standard output that several verbs print; docs/client.md has their forms. */

/* A value with the name of its file, as sha512sum prints a digest: "VALUE  NAME". Quiet: the value.
 */
void line_of_file(bool json, bool quiet, const uint8_t value[DIGEST_BYTES],
                  const uint8_t id[ITEM_ID_BYTES], const char *name);

/* A value with the id of its item, "ID VALUE". Quiet: the value. */
void line_of_item(bool json, bool quiet, const uint8_t value[DIGEST_BYTES],
                  const uint8_t id[ITEM_ID_BYTES]);

/* Begins an object {"type":TYPE, which out_object ends and prints. */
void object_begin(struct buffer *line, const char *type);
void object_id(struct buffer *line, const uint8_t id[ITEM_ID_BYTES]);
void object_text(struct buffer *line, const char *name, const char *text);
void object_hex(struct buffer *line, const char *name, const uint8_t *bytes, size_t length);
void object_number(struct buffer *line, const char *name, int64_t number);
void object_print(struct buffer *line);

/* Prints a line that is ready but for its end, and frees it. */
void line_print(struct buffer *line);

#endif
