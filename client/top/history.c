#include <stdio.h>
#include <string.h>

#include "top/tables.h"

enum { STEPS_MAX = 60, LABEL_COLUMNS = 12, BESIDE_COLUMNS = 26, LEVELS = 8 };

/* A column of the history; below 0: nothing is known of that step. */
struct steps {
    double values[STEPS_MAX];
    int count;
    bool known; /* something of some step */
};

/* Reads a column: its last steps. */
static void read_steps(struct steps *steps, const struct json *history, const char *name) {
    int array = json_member(history, json_member(history, 0, "columns"), name);
    int skip = json_array_size(history, array) - STEPS_MAX;
    *steps = (struct steps){.count = 0};
    for (int at = json_first(history, array); at >= 0; at = json_next(history, at)) {
        double value = -1;
        if (skip-- > 0)
            continue;
        steps->known |= json_positive(history, at, &value);
        steps->values[steps->count++] = value;
    }
}

/* Joins steps, by their largest, until there are at most so many. */
static void join(struct steps *steps, int most) {
    int each = most > 0 ? (steps->count + most - 1) / most : steps->count;
    int kept = 0;
    if (each <= 1)
        return;
    for (int i = 0; i < steps->count; kept++) {
        double largest = -1;
        int end = i == 0 && steps->count % each > 0 ? steps->count % each : i + each;
        for (; i < end; i++)
            largest = steps->values[i] > largest ? steps->values[i] : largest;
        steps->values[kept] = largest;
    }
    steps->count = kept;
}

/* Leaves out the first steps if nothing is known of them. */
static void trim(struct steps *steps) {
    int unknown = 0;
    while (unknown < steps->count && steps->values[unknown] < 0)
        unknown++;
    steps->count -= unknown;
    memmove(steps->values, steps->values + unknown, (size_t)steps->count * sizeof *steps->values);
}

static double largest_of(const struct steps *steps) {
    double largest = 0;
    for (int i = 0; i < steps->count; i++)
        largest = steps->values[i] > largest ? steps->values[i] : largest;
    return largest;
}

/* Writes a sign for each step, the higher the more. */
static void write_signs(struct buffer *signs, const struct steps *steps, bool utf8) {
    static const char *const bars[LEVELS] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char *const plain[LEVELS] = {"_", ".", ":", "-", "=", "+", "*", "#"};
    double largest = largest_of(steps);
    for (int i = 0; i < steps->count; i++) {
        double value = steps->values[i];
        int level = value > 0 ? 1 + (int)(value / largest * (LEVELS - 1.001)) : 0;
        level = level < LEVELS ? level : LEVELS - 1;
        buffer_puts(signs, value < 0 ? " " : (utf8 ? bars : plain)[level]);
    }
    buffer_append(signs, "", 1);
}

static void put_steps(struct screen *screen, const char *label, struct steps *steps,
                      const char *beside) {
    struct buffer signs = {0};
    int columns = screen->look->columns - LABEL_COLUMNS - BESIDE_COLUMNS;
    join(steps, columns > 10 ? columns : 10);
    trim(steps);
    write_signs(&signs, steps, screen->look->utf8);
    put_cell(screen, style_plain, LABEL_COLUMNS, "%s", label);
    put_cell(screen, style_plain, -1, "%s  %s", signs.data, beside);
    end_line(screen);
    buffer_free(&signs);
}

void put_history(struct screen *screen, const struct json *history) {
    struct steps done, waiting;
    char number[BAR_NUMBER_SIZE];
    char beside[2 * BAR_NUMBER_SIZE];
    double sum = 0;
    if (!history)
        return;
    read_steps(&done, history, "done");
    read_steps(&waiting, history, "waiting");
    if (!done.known || !waiting.known)
        return;
    for (int i = 0; i < done.count; i++)
        sum += done.values[i] > 0 ? done.values[i] : 0;
    write_number(number, sum);
    snprintf(beside, sizeof beside, "%s in the last hour", number);
    put_steps(screen, "done", &done, beside);
    write_number(number, largest_of(&waiting));
    snprintf(beside, sizeof beside, "at most %s", number);
    put_steps(screen, "waiting", &waiting, beside);
}
