#include "retry_after.h"

#include <math.h>

enum { SECONDS_MAX = 60 /* room may come sooner than the rate says: a cancel, a new worker */ };

/* In how many seconds this amount will be done. */
static double seconds_until(double amount, double last_minute, double last_ten) {
    double rate = last_minute / 60 > last_ten / 10 ? last_minute / 60 : last_ten / 10;
    return rate > 0 ? amount / rate : SECONDS_MAX;
}

int32_t retry_after(const struct rates *rates, int64_t now_ms, int64_t items, int64_t remaining) {
    struct queue_work minute = rates_sum(rates, now_ms, 60);
    struct queue_work ten = rates_sum(rates, now_ms, 10);
    double seconds = 1;
    if (items > 0)
        seconds = seconds_until((double)items, (double)minute.pulled, (double)ten.pulled);
    if (remaining > 0) {
        double more =
            seconds_until((double)remaining, (double)minute.iterations, (double)ten.iterations);
        seconds = more > seconds ? more : seconds;
    }
    return seconds < 1 ? 1 : seconds < SECONDS_MAX ? (int32_t)ceil(seconds) : SECONDS_MAX;
}
