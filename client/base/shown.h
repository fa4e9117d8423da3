#ifndef HASHMILL_CLIENT_SHOWN_H
#define HASHMILL_CLIENT_SHOWN_H

#include <stddef.h>

#include "buffer.h"

/* Text of others on a terminal: control characters would command it. */

/* The bytes of a text's first character, a valid one of UTF-8 that a terminal only shows; 0 for
 * anything else: a control character, one that turns the direction of the text, or no UTF-8. */
size_t shown_length(const char *text);

/* Appends a text with "?" for each byte that is no part of such a character. */
void put_shown(struct buffer *line, const char *text);

#endif
