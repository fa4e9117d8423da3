#include "log_limit.h"

#include "clock.h"

enum { PAUSE_MS = 60000 };

/* FNV-1a: http://www.isthe.com/chongo/tech/comp/fnv/ */
static uint32_t hash(const char *name) {
    uint32_t hash = 2166136261U;
    for (; *name != '\0'; name++)
        hash = (hash ^ (uint8_t)*name) * 16777619U;
    return hash;
}

bool log_limit_passes(struct log_limit *limit, const char *name, int64_t *left_out) {
    struct log_limit_place *place = &limit->places[hash(name) % LOG_LIMIT_PLACES];
    int64_t now_ms = clock_steady_ms();
    if (now_ms < atomic_load(&place->until_ms)) {
        atomic_fetch_add(&place->left_out, 1);
        return false;
    }
    atomic_store(&place->until_ms, now_ms + PAUSE_MS);
    *left_out = atomic_exchange(&place->left_out, 0);
    return true;
}
