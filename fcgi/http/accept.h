#ifndef HASHMILL_ACCEPT_H
#define HASHMILL_ACCEPT_H

#include <stdbool.h>

/*
 * Whether an Accept header field (NULL: none) asks for text/plain rather than application/json, by
 * RFC 9110, section 12.5.1. Each type has the weight of the most specific range that names it, or 0
 * without one. The heavier type wins; at equal weight the one named more specifically; else JSON.
 * When neither is acceptable the field is ignored, as the RFC allows: JSON.
 *
 * Skips ranges that cannot be read, and those with a parameter that no reply has; ignores charset,
 * since all of our text is ASCII.
 */
bool accept_plain(const char *field);

#endif
