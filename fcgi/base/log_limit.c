#include "log_limit.h"

#include "clock.h"
#include "fnv.h"

enum { PAUSE_MS = 60000 };

bool log_limit_passes(struct log_limit *limit, const char *name, int64_t *left_out) {
    struct log_limit_place *place = &limit->places[fnv_hash(name) % LOG_LIMIT_PLACES];
    int64_t now_ms = clock_steady_ms();
    if (now_ms < atomic_load(&place->until_ms)) {
        atomic_fetch_add(&place->left_out, 1);
        return false;
    }
    atomic_store(&place->until_ms, now_ms + PAUSE_MS);
    *left_out = atomic_exchange(&place->left_out, 0);
    return true;
}
