/* The work of the last seconds: what counts towards 1, 10 and 60 of them, and what is forgotten. */
#include "fcgi/store/rates.h"

#include "tap.h"

static struct rates rates;

static int64_t enqueued(int64_t steady_ms, int seconds) {
    return rates_sum(&rates, steady_ms, seconds).enqueued;
}

int main(void) {
    const int64_t start = 5000000;
    is_int(enqueued(start, 60), 0, "nothing at first");
    rates_add(&rates, start + 200, &(struct queue_work){.enqueued = 3, .iterations = 70});
    rates_add(&rates, start + 900, &(struct queue_work){.enqueued = 4, .done = 1, .pulled = 2});
    is_int(enqueued(start + 950, 60), 0, "the second under way does not count yet");
    is_int(enqueued(start + 1000, 1), 7, "when it is over it does");
    struct queue_work work = rates_sum(&rates, start + 1000, 1);
    ok(work.done == 1 && work.pulled == 2 && work.iterations == 70, "with all kinds of work");
    is_int(enqueued(start + 1999, 1), 7, "for a second");
    is_int(enqueued(start + 2000, 1), 0, "not longer");
    is_int(enqueued(start + 10999, 10), 7, "towards ten seconds for ten");
    is_int(enqueued(start + 11000, 10), 0, "not longer");
    is_int(enqueued(start + 60999, 60), 7, "towards sixty for sixty");
    is_int(enqueued(start + 61000, 60), 0, "not longer");
    for (int second = 0; second < 200; second++)
        rates_add(&rates, start + second * 1000, &(struct queue_work){.enqueued = 1});
    is_int(enqueued(start + 200 * 1000, 60), 60, "a steady flow over all places is one a second");
    is_int(enqueued(start + 200 * 1000, 1), 1, "also of the last");
    return done_testing();
}
