#ifndef HASHMILL_SIM_STEPS_H
#define HASHMILL_SIM_STEPS_H

/* What happens in a run: a list of steps, drawn from a seed or read from a history. */

#include <stdio.h>

#include "sim.h"

#define STEP_KINDS(X)                                                                              \
    X(enqueue, 200)                                                                                \
    X(enqueue_keyed, 120)                                                                          \
    X(work, 220)                                                                                   \
    X(work_badly, 30)                                                                              \
    X(pull, 60)                                                                                    \
    X(pull_keyed, 60)                                                                              \
    X(repeat, 40)                                                                                  \
    X(cancel, 50)                                                                                  \
    X(look, 60)                                                                                    \
    X(settle, 12)                                                                                  \
    X(compare, 12)                                                                                 \
    X(pass_time, 10)                                                                               \
    X(kill_writer, 6)                                                                              \
    X(kill_peering, 6)                                                                             \
    X(kill_replica, 6)                                                                             \
    X(kill_server, 6)                                                                              \
    X(kill_init, 6)                                                                                \
    X(power_cut, 4)                                                                                \
    X(halt, 4)                                                                                     \
    X(stop, 3)                                                                                     \
    X(cut_one_way, 6)                                                                              \
    X(cut_both, 6)                                                                                 \
    X(lossy, 6)                                                                                    \
    X(slow, 4)                                                                                     \
    X(heal, 8)                                                                                     \
    X(pause, 5)                                                                                    \
    X(jump_wall, 4)                                                                                \
    X(suspend, 2)                                                                                  \
    X(drift, 4)                                                                                    \
    X(disk_full, 3)                                                                                \
    X(backup, 8)                                                                                   \
    X(file_copy, 4)                                                                                \
    X(restore_backup, 12)                                                                          \
    X(restore_alone, 6)                                                                            \
    X(restore_copy, 14)                                                                            \
    X(set_replica_back, 8)                                                                         \
    X(empty_disk, 3)                                                                               \
    X(empty_new, 2)                                                                                \
    X(unmount, 2)                                                                                  \
    X(change_copy, 3)                                                                              \
    X(old_age, 2)

enum step_kind {
#define STEP_NAME(name, weight) STEP_##name,
    STEP_KINDS(STEP_NAME)
#undef STEP_NAME
        STEP_COUNT
};

struct step {
    int32_t kind;     /* enum step_kind */
    int64_t after_us; /* since the one before */
    uint64_t seed;
};

struct history {
    uint64_t seed;
    int count;
    struct step *steps;
};

/* Draws a history; reads one from a file, writes one. */
void history_draw(struct history *history, uint64_t seed, int count);
bool history_read(struct history *history, FILE *file);
void history_write(const struct history *history, FILE *file);

/* Runs it and judges; returns when all promises were kept. counts gets how often each kind changed
 * something. */
void history_run(const struct history *history, const char *directory, int64_t counts[STEP_COUNT]);

/* Mends what is broken, waits until nothing is left to be done, and judges. */
void rest_reach(void);

/* Brings a node's volume back; for event_at(). */
void mount_again(void *node);

const char *step_name(int kind);

#endif
