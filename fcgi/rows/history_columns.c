#include "history_columns.h"

/* No number goes beyond this, the last whole one that JSON can have. */
#define NUMBER_MAX INT64_C(9007199254740991)

static int64_t column(sqlite3_stmt *row, int at) {
    int64_t number = sqlite3_column_int64(row, at);
    return number < 0 ? 0 : number > NUMBER_MAX ? NUMBER_MAX : number;
}

void history_columns_read(sqlite3_stmt *row, struct history_row *history) {
    *history = (struct history_row){.at = column(row, 0),
                                    .width = column(row, 1),
                                    .step = {.seconds = column(row, 2),
                                             .work = {.enqueued = column(row, 3),
                                                      .done = column(row, 4),
                                                      .pulled = column(row, 5),
                                                      .iterations = column(row, 6)},
                                             .refused = column(row, 7),
                                             .waiting = column(row, 8),
                                             .oldest_wait_ms = column(row, 9),
                                             .workers = column(row, 10),
                                             .machines = column(row, 11)}};
}

static void add(int64_t *sum, int64_t number) {
    *sum = number > NUMBER_MAX - *sum ? NUMBER_MAX : *sum + number;
}

void history_join(struct queue_step *step, const struct queue_step *later) {
    add(&step->seconds, later->seconds);
    add(&step->work.enqueued, later->work.enqueued);
    add(&step->work.done, later->work.done);
    add(&step->work.pulled, later->work.pulled);
    add(&step->work.iterations, later->work.iterations);
    add(&step->refused, later->refused);
    step->waiting = later->waiting;
    step->workers = later->workers;
    step->machines = later->machines;
    if (later->oldest_wait_ms > step->oldest_wait_ms)
        step->oldest_wait_ms = later->oldest_wait_ms;
}
