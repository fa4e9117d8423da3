#include "rates.h"

static void add(struct queue_work *sum, const struct queue_work *work) {
    sum->enqueued += work->enqueued;
    sum->done += work->done;
    sum->pulled += work->pulled;
    sum->iterations += work->iterations;
}

void rates_add(struct rates *rates, int64_t steady_ms, const struct queue_work *work) {
    int64_t second = steady_ms / 1000;
    int64_t place = second % RATES_SECONDS;
    if (rates->second[place] != second) {
        rates->second[place] = second;
        rates->work[place] = (struct queue_work){0};
    }
    add(&rates->work[place], work);
}

struct queue_work rates_sum(const struct rates *rates, int64_t steady_ms, int seconds) {
    struct queue_work sum = {0};
    int64_t now = steady_ms / 1000;
    for (int place = 0; place < RATES_SECONDS; place++) {
        if (rates->second[place] < now && rates->second[place] >= now - seconds)
            add(&sum, &rates->work[place]);
    }
    return sum;
}
