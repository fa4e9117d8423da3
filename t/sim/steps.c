#include "steps.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compare.h"
#include "oracle.h"

#define SECOND INT64_C(1000000)

enum { SAVED_MAX = 8, LATE_MAX = 60 };

/* Backups and copies of files: whose, and where. */
struct saved {
    int node;
    bool backup;
    char path[160];
};
static struct saved saved[SAVED_MAX + NODES];
static int saved_count;
static uint64_t late[LATE_MAX]; /* seeds of the enqueues after a restore */
static const char *directory;
static bool
    missed; /* the step that was taken last has found nothing to change: it is not counted */

/* --- Steps --- */

static void start_node(void *context) {
    node_start(context, (struct init_plan){0});
}

static void start_soon(struct node *node, struct dice *dice) {
    event_at(sim_now_us + dice_below(dice, dice_one_in(dice, 3) ? 30000000 : 2000000), start_node,
             node);
}

/* Ends a node as an operator or the power does. */
static void end_node(struct node *node, struct dice *dice, bool power) {
    char path[120];
    missed = !node->up && !node->starting;
    node->wanted = false;
    node_halt(node);
    snprintf(path, sizeof path, "%s/data", node->directory);
    if (power)
        disk_power_cut(path, dice);
    else
        disk_settle(path);
}

static void cut(struct dice *dice, bool both) {
    int to = dice_below(dice, NODES);
    int64_t until_us = sim_now_us + dice_below(dice, dice_one_in(dice, 4) ? 60000000 : 5000000);
    network.cut_until[to] = until_us;
    if (both)
        network.cut_until[1 - to] = until_us;
}

static struct saved *draw_saved(struct dice *dice, bool backup) {
    int from = saved_count > 0 ? dice_below(dice, saved_count) : 0;
    for (int i = 0; i < saved_count; i++) {
        struct saved *found = &saved[(from + i) % saved_count];
        if (found->backup == backup && access(found->path, R_OK) == 0)
            return found;
    }
    return NULL;
}

static void save(struct node *node, struct dice *dice, bool backup) {
    int at = saved_count < SAVED_MAX ? saved_count++ : dice_below(dice, SAVED_MAX);
    saved[at] = (struct saved){.node = node->number, .backup = backup};
    snprintf(saved[at].path, sizeof saved[at].path, "%s/saved-%d", directory, at);
    unlink(saved[at].path);
    missed = backup && !node->up;
    if (backup)
        node_backup(node, saved[at].path);
    else
        node_save(node, saved[at].path);
}

static void restore(const struct saved *from, struct dice *dice, bool alone) {
    missed = !from || access(from->path, R_OK) != 0 || !nodes[from->node].mounted;
    if (missed)
        return;
    struct node *node = &nodes[from->node];
    end_node(node, dice, false);
    missed = false;
    node->refusals = 0;
    node_note_loss(node, !from->backup);
    if (!from->backup)
        compare_forget(node);
    node_restore(node, from->path);
    node_start(node, (struct init_plan){.alone = alone});
}

/* Puts an older copy of a node's database in its place. If the network is cut, the node cannot ask
 * its peer and serves the copy; enqueues then take it as far as the replaced database, or not. */
static void restore_old(const struct saved *from, struct dice *dice) {
    bool cut = dice_one_in(dice, 2);
    if (cut)
        network.cut_until[0] = network.cut_until[1] =
            sim_now_us + 5 * SECOND + dice_below(dice, 20000000);
    restore(from, dice, false);
    int count = cut && !missed ? dice_below(dice, LATE_MAX) : 0;
    for (int i = 0; i < count; i++) {
        late[i] = dice_next(dice);
        event_at(sim_now_us + 4 * SECOND + dice_below(dice, SECOND), client_enqueue, &late[i]);
    }
}

static void restore_latest(void *context) {
    const struct saved *from = context;
    struct dice dice = {(uint64_t)sim_now_us};
    restore_old(from, &dice);
}

/* Restores a copy of any age, or one made a moment before. */
static void restore_copy(struct node *node, struct dice *dice) {
    if (dice_one_in(dice, 3) || !node->up) {
        restore_old(draw_saved(dice, false), dice);
        return;
    }
    struct saved *latest = &saved[SAVED_MAX + node->number];
    *latest = (struct saved){.node = node->number};
    snprintf(latest->path, sizeof latest->path, "%s/latest-%d", directory, node->number);
    node_save(node, latest->path);
    event_at(sim_now_us + dice_below(dice, dice_one_in(dice, 2) ? 1000000 : 100000), restore_latest,
             latest);
}

static void empty_disk(struct node *node, struct dice *dice, struct init_plan plan) {
    missed = !node->mounted;
    if (missed)
        return;
    end_node(node, dice, true);
    missed = false;
    node->refusals = 0;
    node_note_loss(node, false);
    node_wipe(node);
    node_start(node, plan);
}

void mount_again(void *context) {
    struct node *node = context;
    if (node->mounted)
        return;
    bool wanted = node->wanted;
    node_halt(node);
    node_mount(node, true);
    node->refusals = 0;
    if (wanted)
        node_start(node, (struct init_plan){0});
}

/* Takes the volume away: --init must not begin an empty queue. */
static void unmount(struct node *node, struct dice *dice) {
    missed = !node->mounted;
    if (missed)
        return;
    end_node(node, dice, true);
    missed = false;
    bool replaced = dice_one_in(dice, 3); /* an operator fetches the queue from the peer */
    if (replaced)
        node_note_loss(node, false);
    node_mount(node, false);
    node_start(node, (struct init_plan){.from_peer = replaced});
    event_at(sim_now_us + dice_below(dice, 20000000), mount_again, node);
}

static void change_copy(struct node *node, struct dice *dice) {
    static const enum copying ways[] = {COPY_SYNC, COPY_SYNC, COPY_ASYNC, COPY_NONE};
    enum copying way = ways[dice_below(dice, 4)];
    end_node(node, dice, false);
    missed = way == node->conf.copying;
    node->doubt |= way != node->conf.copying;
    node->conf.copying = way;
    node_start(node, (struct init_plan){0});
}

static void compare_both(void) {
    struct look look;
    for (int i = 0; i < NODES; i++) {
        if (nodes[i].up && look_at(&nodes[i], "", &look))
            compare_note_epoch(&nodes[i], &look);
    }
    for (int i = 0; i < NODES; i++) {
        if (nodes[i].up && nodes[1 - i].up && compare_replica(&nodes[i]))
            nodes[i].doubt = nodes[i].set_back = false;
    }
}

static void compare_event(void *context) {
    (void)context;
    compare_both();
}

static bool under_process[NODES]; /* replaces the replica while its process runs */

static void put_replica_back(void *context) {
    struct node *node = context;
    char path[160];
    struct dice dice = {1};
    snprintf(path, sizeof path, "%s/replica-%d", directory, node->number);
    if (!node->mounted || access(path, R_OK) != 0)
        return;
    nodes[1 - node->number].doubt = true;
    nodes[1 - node->number].lost_batch = 0;
    if (!under_process[node->number])
        node_kill(node, "replica", &dice, false);
    node_copy_replica(node, path, true);
    unlink(path);
    for (int i = 1; i < 10; i++)
        event_at(sim_now_us + i * SECOND / 5, compare_event, NULL);
}

/* Sets the replica that a node keeps back by a moment, and tells no other process. */
static void set_replica_back(struct node *node, struct dice *dice) {
    char path[160];
    snprintf(path, sizeof path, "%s/replica-%d", directory, node->number);
    missed = !node->up;
    if (missed)
        return;
    node_copy_replica(node, path, false);
    event_at(sim_now_us + dice_below(dice, 300000), put_replica_back, node);
    under_process[node->number] = dice_one_in(dice, 3);
}

/* Only lowers days: raising them is a known gap (docs/nodes.md). */
static void shorten(int64_t *days, int64_t to) {
    if (to < *days)
        *days = to;
}

static void kill_one(struct node *node, const char *role, struct dice *dice) {
    missed = !node_kill(node, role, dice, !dice_one_in(dice, 3));
}

/* Faults of the network. */
static bool network_step(int kind, struct dice *dice) {
    switch (kind) {
    case STEP_cut_one_way:
    case STEP_cut_both:
        cut(dice, kind == STEP_cut_both);
        return true;
    case STEP_lossy:
        network.loss = dice_below(dice, 300);
        network.twice = dice_below(dice, 300);
        network.lossy_until = INT64_MAX;
        network.most_us = 500 + dice_below(dice, dice_one_in(dice, 3) ? 400000 : 20000);
        return true;
    case STEP_slow:
        network.slow_until[dice_below(dice, NODES)] = sim_now_us + dice_below(dice, 10000000);
        return true;
    case STEP_heal:
        network_heal();
        machines[0].disk_full = machines[1].disk_full = false;
        return true;
    default:
        return false;
    }
}

/* Faults of a machine's clocks and disk. */
static bool machine_step(int kind, struct node *node, struct dice *dice) {
    struct machine *machine = &machines[node->number];
    switch (kind) {
    case STEP_pause:
        node->paused_until_us =
            sim_now_us + dice_below(dice, dice_one_in(dice, 4) ? 180000000 : 4000000);
        fibers_pause(node->number, node->paused_until_us);
        return true;
    case STEP_jump_wall:
        machine->wall_us += (int64_t)(dice_below(dice, 200000) - 100000) * SECOND / 100;
        return true;
    case STEP_suspend:
        machine->steady_us += dice_below(dice, 100) * SECOND;
        return true;
    case STEP_drift:
        machine_drift(node->number, dice_below(dice, 4000) - 2000);
        return true;
    case STEP_disk_full:
        machine->disk_full = !machine->disk_full;
        return true;
    default:
        return false;
    }
}

/* Files that come from elsewhere, or go. */
static bool file_step(int kind, struct node *node, struct dice *dice) {
    switch (kind) {
    case STEP_backup:
        save(node, dice, true);
        return true;
    case STEP_file_copy:
        save(node, dice, false);
        return true;
    case STEP_restore_backup:
        restore(draw_saved(dice, true), dice, false);
        return true;
    case STEP_restore_alone:
        restore(draw_saved(dice, true), dice, true);
        return true;
    case STEP_restore_copy:
        restore_copy(node, dice);
        return true;
    case STEP_set_replica_back:
        set_replica_back(node, dice);
        return true;
    case STEP_empty_disk:
        empty_disk(node, dice, (struct init_plan){.from_peer = dice_one_in(dice, 2)});
        return true;
    case STEP_empty_new:
        empty_disk(node, dice, (struct init_plan){.new_one = true});
        return true;
    case STEP_unmount:
        unmount(node, dice);
        return true;
    default:
        return false;
    }
}

static bool process_step(int kind, struct node *node, struct dice *dice) {
    static const char *const servers[] = {"public", "worker", "public-wait", "worker-wait"};
    switch (kind) {
    case STEP_kill_writer:
        kill_one(node, "writer", dice);
        return true;
    case STEP_kill_peering:
        kill_one(node, "peering", dice);
        return true;
    case STEP_kill_replica:
        kill_one(node, "replica", dice);
        return true;
    case STEP_kill_server:
        kill_one(node, servers[dice_below(dice, 4)], dice);
        return true;
    case STEP_kill_init:
        missed = !node_kill_init(node, dice);
        return true;
    case STEP_power_cut:
    case STEP_halt:
        end_node(node, dice, kind == STEP_power_cut);
        start_soon(node, dice);
        return true;
    case STEP_stop:
        missed = !node->up;
        node_stop(node);
        start_soon(node, dice);
        return true;
    default:
        return false;
    }
}

static void other_step(int kind, struct node *node, struct dice *dice) {
    switch (kind) {
    case STEP_settle:
        sim_run_until(sim_now_us + dice_below(dice, 4000000));
        break;
    case STEP_pass_time:
        sim_run_until(sim_now_us + dice_below(dice, dice_one_in(dice, 3) ? 90000000 : 15000000));
        break;
    case STEP_compare:
        compare_both();
        break;
    case STEP_change_copy:
        change_copy(node, dice);
        break;
    case STEP_old_age:
        oracle_retention = true;
        shorten(&node->conf.pulled_days, dice_below(dice, 2));
        shorten(&node->conf.cancelled_days, dice_below(dice, 2));
        if (dice_one_in(dice, 3))
            machines[0].steady_us += 8 * 86400 * SECOND;
        end_node(node, dice, false);
        missed = false;
        node_start(node, (struct init_plan){0});
        break;
    default:
        break;
    }
}

static void do_step(const struct step *step) {
    static const int acts[] = {ACT_ENQUEUE,    ACT_ENQUEUE_KEYED, ACT_WORK,
                               ACT_WORK_BADLY, ACT_PULL,          ACT_PULL_KEYED,
                               ACT_REPEAT,     ACT_CANCEL,        ACT_LOOK};
    struct dice dice = {step->seed};
    struct node *node = &nodes[dice_below(&dice, NODES)];
    sim_trace("step %s", step_name(step->kind));
    if (step->kind <= STEP_look)
        client_act((enum act)acts[step->kind], step->seed);
    else if (!network_step(step->kind, &dice) && !machine_step(step->kind, node, &dice) &&
             !file_step(step->kind, node, &dice) && !process_step(step->kind, node, &dice))
        other_step(step->kind, node, &dice);
}

/* --- A run --- */

static void begin(const struct history *history) {
    struct dice dice = {history->seed ^ 77};
    saved_count = 0;
    fibers_begin(history->seed);
    network_begin(history->seed + 1);
    oracle_begin();
    nodes_open(directory, history->seed + 2);
    for (int i = 0; i < NODES; i++) {
        int way = dice_below(&dice, 10);
        nodes[i].conf.copying = way < 6 ? COPY_SYNC : way < 9 ? COPY_ASYNC : COPY_NONE;
        node_start(&nodes[i], (struct init_plan){.new_one = true});
    }
    for (int i = 0; i < 50 && !(nodes[0].up && nodes[1].up); i++)
        sim_run_until(sim_now_us + SECOND);
}

void history_run(const struct history *history, const char *in, int64_t counts[STEP_COUNT]) {
    directory = in;
    begin(history);
    for (int i = 0; i < history->count; i++) {
        const struct step *step = &history->steps[i];
        sim_run_until(sim_now_us + step->after_us);
        missed = false;
        do_step(step);
        counts[step->kind] += !missed;
        if (i % 16 == 0)
            compare_both();
    }
    rest_reach();
    nodes_close();
}
