#include "bar_motion.h"

enum { INTERVAL_MAX_MS = 60000 /* a bar does not move for longer without a report */ };

static bool is_same(const struct bar_state *one, const struct bar_state *other) {
    return one->items_done == other->items_done && one->iterations_done == other->iterations_done;
}

void bar_motion_report(struct bar_motion *motion, const struct bar_state *state, int64_t now_ms) {
    const struct bar_state *before = &motion->reported;
    if (!motion->started || before->iterations_all != state->iterations_all ||
        before->items_all != state->items_all) {
        *motion = (struct bar_motion){.started = true, .changed_ms = now_ms};
    } else if (!is_same(before, state)) {
        int64_t interval_ms = now_ms - motion->changed_ms;
        motion->interval_ms = interval_ms < INTERVAL_MAX_MS ? interval_ms : INTERVAL_MAX_MS;
        motion->changed_ms = now_ms;
    }
    motion->reported = *state;
    motion->end_ms = -1;
    if (state->eta_seconds >= 0 && state->eta_seconds < 1e12)
        motion->end_ms = now_ms + (int64_t)(state->eta_seconds * 1000);
}

/* The most that the next report can say of the items that are not done. */
static int64_t most_done(const struct bar_state *reported) {
    int64_t most = reported->iterations_all;
    if (reported->items_all > reported->items_done)
        most -= reported->items_all - reported->items_done;
    return most > reported->iterations_done ? most : reported->iterations_done;
}

struct bar_state bar_motion_at(struct bar_motion *motion, int64_t now_ms) {
    struct bar_state state = motion->reported;
    int64_t most = most_done(&state);
    int64_t passed_ms = now_ms - motion->changed_ms;
    passed_ms = passed_ms < motion->interval_ms ? passed_ms : motion->interval_ms;
    double moved = state.rate > 0 ? state.rate * (double)passed_ms / 1000 : 0;
    if (moved < (double)(most - state.iterations_done))
        most = state.iterations_done + (int64_t)moved;
    if (most > motion->shown || motion->shown > most_done(&state))
        motion->shown = most;
    state.iterations_done = motion->shown;
    if (motion->end_ms >= 0) {
        int64_t left_ms = motion->end_ms - now_ms;
        state.eta_seconds =
            motion->reported.eta_seconds > 0 && left_ms < 1 ? 1 : (double)left_ms / 1000;
    }
    return state;
}

bool bar_motion_goes_on(const struct bar_motion *motion, int64_t now_ms) {
    return motion->reported.rate > 0 && now_ms - motion->changed_ms < motion->interval_ms &&
           motion->shown < most_done(&motion->reported);
}
