#ifndef HASHMILL_ACCEPT_H
#define HASHMILL_ACCEPT_H

#include <stdbool.h>

/*
 * Whether an Accept header field (NULL: none) asks for text/plain rather than application/json, by
 * RFC 9110, section 12.5.1. Each type has the weight of the most specific range that names it; a
 * type that no range names has 0. The heavier type is taken; of two of the same weight the one that
 * is named more specifically; else JSON. When neither is acceptable the field is disregarded, as
 * the RFC allows: JSON.
 *
 * A range that cannot be read is skipped, and so is one with a parameter that no reply has; charset
 * is ignored, since all of our text is ASCII.
 */
bool accept_plain(const char *field);

#endif
