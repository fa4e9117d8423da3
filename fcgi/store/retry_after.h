#ifndef HASHMILL_RETRY_AFTER_H
#define HASHMILL_RETRY_AFTER_H

#include "rates.h"

/* In how many seconds, 1 to 60, there may be room for a refused item, which exceeds the limits by
 * this many items and remaining iterations: by the higher of the rates of the last minute and the
 * last ten seconds, at now_ms of steady time. */
int32_t retry_after(const struct rates *rates, int64_t now_ms, int64_t items, int64_t remaining);

#endif
