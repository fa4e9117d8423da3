#ifndef HASHMILL_FNV_H
#define HASHMILL_FNV_H

#include <stddef.h>
#include <stdint.h>

#define FNV_START 2166136261U

/* The hash of a text for a table in memory, FNV-1a of 32 bits:
 * http://www.isthe.com/chongo/tech/comp/fnv/ */
static inline uint32_t fnv_hash(const char *text) {
    uint32_t hash = FNV_START;
    for (; *text != '\0'; text++)
        hash = (hash ^ (uint8_t)*text) * 16777619U;
    return hash;
}

/* Goes on with a hash, from FNV_START, over more bytes. Two texts of one length that differ in one
 * byte have different hashes. */
static inline uint32_t fnv_add(uint32_t hash, const void *bytes, size_t length) {
    const uint8_t *at = bytes;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ at[i]) * 16777619U;
    return hash;
}

#endif
