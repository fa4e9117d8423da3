#ifndef HASHMILL_FNV_H
#define HASHMILL_FNV_H

#include <stdint.h>

/* The hash of a text for a table in memory, FNV-1a of 32 bits:
 * http://www.isthe.com/chongo/tech/comp/fnv/ */
static inline uint32_t fnv_hash(const char *text) {
    uint32_t hash = 2166136261U;
    for (; *text != '\0'; text++)
        hash = (hash ^ (uint8_t)*text) * 16777619U;
    return hash;
}

#endif
