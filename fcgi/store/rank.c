#include "rank.h"

enum { PENALTY_MAX_MS = 3600 * 1000 };

int64_t rank_of(int64_t clock_ms, int64_t iterations, int64_t penalty_ns) {
    double penalty_ms = (double)iterations * (double)penalty_ns / 1e6;
    return clock_ms + (penalty_ms < PENALTY_MAX_MS ? (int64_t)penalty_ms : PENALTY_MAX_MS);
}
