#ifndef HASHMILL_CLIENT_SUM_H
#define HASHMILL_CLIENT_SUM_H

#include <stdint.h>

/* The sum of two numbers >= 0, or the largest number there is. */
static inline int64_t sum_capped(int64_t one, int64_t other) {
    return one > INT64_MAX - other ? INT64_MAX : one + other;
}

#endif
