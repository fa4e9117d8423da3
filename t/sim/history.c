/* Histories: drawn from a seed, read from a file, written to one. */

#include "steps.h"

#include <stdlib.h>
#include <string.h>

static const char *const names[] = {
#define STEP_NAME(name, weight) #name,
    STEP_KINDS(STEP_NAME)
#undef STEP_NAME
};

static const int weights[] = {
#define STEP_WEIGHT(name, weight) weight,
    STEP_KINDS(STEP_WEIGHT)
#undef STEP_WEIGHT
};

const char *step_name(int kind) {
    return names[kind];
}

/* Draws how often each kind comes. Half of the kinds of faults are left out of a history, so that
 * what needs a long time without them happens, too; the fewer faults, the longer work is
 * undisturbed. */
static void draw_weights(struct dice *dice, int drawn[STEP_COUNT]) {
    int calm = 1 + dice_below(dice, 4);
    for (int i = 0; i < STEP_COUNT; i++) {
        bool fault = i > STEP_pass_time && i != STEP_heal;
        bool out = fault && dice_one_in(dice, 2);
        drawn[i] = i <= STEP_look ? weights[i] * calm : out ? 0 : weights[i];
    }
}

static int draw_kind(struct dice *dice, const int drawn[STEP_COUNT]) {
    int all = 0;
    for (int i = 0; i < STEP_COUNT; i++)
        all += drawn[i];
    int at = dice_below(dice, all);
    for (int i = 0; i < STEP_COUNT; i++) {
        at -= drawn[i];
        if (at < 0)
            return i;
    }
    return 0;
}

static int64_t draw_delay(struct dice *dice) {
    switch (dice_below(dice, 40)) {
    case 0:
        return dice_below(dice, 3000000);
    case 1:
    case 2:
        return dice_below(dice, 200000);
    default:
        return dice_below(dice, 8000);
    }
}

void history_draw(struct history *history, uint64_t seed, int count) {
    struct dice dice = {seed};
    int drawn[STEP_COUNT];
    draw_weights(&dice, drawn);
    *history = (struct history){.seed = seed, .count = count};
    history->steps = calloc((size_t)count, sizeof *history->steps);
    if (!history->steps)
        abort();
    for (int i = 0; i < count; i++)
        history->steps[i] = (struct step){.kind = draw_kind(&dice, drawn),
                                          .after_us = draw_delay(&dice),
                                          .seed = dice_next(&dice)};
}

void history_write(const struct history *history, FILE *file) {
    fprintf(file, "seed %llu\n", (unsigned long long)history->seed);
    for (int i = 0; i < history->count; i++) {
        const struct step *step = &history->steps[i];
        fprintf(file, "%lld %s %llu\n", (long long)step->after_us, names[step->kind],
                (unsigned long long)step->seed);
    }
}

bool history_read(struct history *history, FILE *file) {
    char line[200];
    char name[40];
    *history = (struct history){0};
    while (fgets(line, sizeof line, file)) {
        struct step step = {.kind = -1};
        if (line[0] == '#' || line[0] == '\n')
            continue;
        if (strncmp(line, "seed ", 5) == 0) {
            history->seed = strtoull(line + 5, NULL, 10);
            continue;
        }
        char *at;
        step.after_us = strtoll(line, &at, 10);
        size_t length = strcspn(++at, " \n");
        if (length == 0 || length >= sizeof name || at[length] != ' ')
            return false;
        snprintf(name, sizeof name, "%.*s", (int)length, at);
        step.seed = strtoull(at + length, NULL, 10);
        for (int i = 0; i < STEP_COUNT; i++)
            step.kind = strcmp(names[i], name) == 0 ? i : step.kind;
        history->steps =
            realloc(history->steps, (size_t)(history->count + 1) * sizeof *history->steps);
        if (!history->steps || step.kind < 0)
            return false;
        history->steps[history->count++] = step;
    }
    return true;
}
