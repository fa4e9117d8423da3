#include "history.h"

#include <stddef.h>
#include <string.h>

#include "queue/fields.h"

enum { SAVED_MS = 1000 }; /* a minute that is over is saved within this time */

bool stats_set_span(struct queue_history *history, const char *name, int64_t wall_ms) {
    static const struct {
        const char *name;
        int32_t step_seconds;
        int32_t count;
    } spans[] = {{"1h", 60, 60}, {"24h", 600, 144}, {"30d", 3600, 720}};
    for (size_t i = 0; i < sizeof spans / sizeof *spans; i++) {
        if (strcmp(spans[i].name, name) != 0)
            continue;
        int64_t now = (wall_ms - SAVED_MS) / 1000;
        history->step_seconds = spans[i].step_seconds;
        history->count = spans[i].count;
        history->from =
            now - now % history->step_seconds - (int64_t)history->count * history->step_seconds;
        return true;
    }
    return false;
}

static void put_times(struct buffer *body, const struct queue_history *history) {
    json_name(body, "at");
    json_open(body, '[');
    for (int i = 0; i < history->count; i++)
        json_put_integer(body, history->from + (int64_t)i * history->step_seconds);
    json_close(body, ']');
}

/* Puts the numbers that are at an offset of each step, with what they are to be divided by. */
static void put_column(struct buffer *body, const char *name, const struct queue_history *history,
                       size_t offset, int divisor) {
    json_name(body, name);
    json_open(body, '[');
    for (int i = 0; i < history->count; i++) {
        const struct queue_step *step = &history->steps[i];
        int64_t number;
        memcpy(&number, (const char *)step + offset, sizeof number);
        if (step->seconds == 0)
            json_put_null(body);
        else if (divisor > 1)
            json_put_number(body, (double)number / divisor);
        else
            json_put_integer(body, number);
    }
    json_close(body, ']');
}

void stats_put_history(struct buffer *body, const char *name, const struct queue_history *history) {
    static const struct {
        const char *name;
        size_t offset;
        int divisor;
    } columns[] = {{"seconds", offsetof(struct queue_step, seconds), 1},
                   {"enqueued", offsetof(struct queue_step, work.enqueued), 1},
                   {"done", offsetof(struct queue_step, work.done), 1},
                   {"pulled", offsetof(struct queue_step, work.pulled), 1},
                   {"iterations", offsetof(struct queue_step, work.iterations), 1},
                   {"refused", offsetof(struct queue_step, refused), 1},
                   {"waiting", offsetof(struct queue_step, waiting), 1},
                   {"oldest_wait_seconds", offsetof(struct queue_step, oldest_wait_ms), 1000},
                   {"workers", offsetof(struct queue_step, workers), 1},
                   {"machines", offsetof(struct queue_step, machines), 1}};
    json_open(body, '{');
    json_name(body, "span");
    json_put_string(body, name);
    fields_put_integer(body, "step_seconds", history->step_seconds);
    json_name(body, "columns");
    json_open(body, '{');
    put_times(body, history);
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        put_column(body, columns[i].name, history, columns[i].offset, columns[i].divisor);
    json_close(body, '}');
    json_close(body, '}');
}
