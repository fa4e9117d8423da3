/* A node: its settings, its processes with a master that restarts them, its disk. */

#include "sim.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/api.h"
#include "base/child.h"
#include "compare.h"
#include "http/serve.h"
#include "init.h"
#include "master/sockets.h"
#include "oracle.h"
#include "peering/peering.h"
#include "queue/replica.h"
#include "store/store.h"
#include "writer/writer.h"

struct node nodes[NODES];

enum {
    SHORT = 2,
    PROCESSES = 10,
    RESTART_US = 100000,
    INIT_PAUSE_US = 1000000,
    DRAIN_US = 3000000
};

/* A process of a node. */
struct process {
    const char *role;
    int (*run)(const struct child_job *job);
    struct fiber *fiber;
    struct node *node;
    int door; /* enum door; -1 the writer's channel; -2 the peering's */
    int exit_code;
    bool waiting; /* for its restart */
};

static struct process processes[NODES][PROCESSES];
static int channels[NODES];
static int askings[NODES];
static char channel_paths[NODES][120];
static char asking_paths[NODES][120];
static char top[60];
static struct fiber *inits[NODES];
static int init_codes[NODES];
static char backup_paths[NODES][160];
static bool backup_under_way;

static void later(struct node *node);
static void decide(struct node *node);
static void end_init(struct node *node, bool killed);

/* --- base/child.h --- */

void child_ready(void) {
}

void child_busy(void) {
}

void child_idle(void) {
}

bool child_stopping(void) {
    return fiber_is_stopping();
}

const sigset_t *child_wait_mask(void) {
    return NULL;
}

/* --- Processes --- */

static int run_short(const struct child_job *job) {
    return serve_requests(job, api_routes, NULL);
}

static int run_long(const struct child_job *job) {
    return serve_long_polls(job, api_routes);
}

static int run_replica(const struct child_job *job) {
    struct replica *replica = replica_open(job->conf);
    int exit_code = replica ? serve_requests(job, replica_routes, replica) : EXIT_TEMPORARY;
    replica_close(replica);
    return exit_code;
}

static const struct process roles[PROCESSES] = {
    {.role = "writer", .run = serve_writer, .door = -1},
    {.role = "public", .run = run_short, .door = DOOR_PUBLIC},
    {.role = "public", .run = run_short, .door = DOOR_PUBLIC},
    {.role = "public", .run = run_short, .door = DOOR_PUBLIC},
    {.role = "public-wait", .run = run_long, .door = DOOR_PUBLIC_WAIT},
    {.role = "worker", .run = run_short, .door = DOOR_WORKER},
    {.role = "worker", .run = run_short, .door = DOOR_WORKER},
    {.role = "worker-wait", .run = run_long, .door = DOOR_WORKER_WAIT},
    {.role = "peering", .run = serve_peering, .door = -2},
    {.role = "replica", .run = run_replica, .door = DOOR_REPLICA},
};

static void process_main(void *context) {
    struct process *process = context;
    int node = process->node->number;
    struct child_job job = {
        .conf = &process->node->conf,
        .channel = channel_paths[node],
        .peering = asking_paths[node],
        .listener = process->door == DOOR_PUBLIC || process->door == DOOR_PUBLIC_WAIT
                        ? LISTENER_PUBLIC
                        : LISTENER_WORKER,
        .listen_fd = process->door == -1   ? channels[node]
                     : process->door == -2 ? askings[node]
                                           : door_descriptor(node, (enum door)process->door)};
    process->exit_code = process->run(&job);
}

static void begin(struct process *process) {
    process->exit_code = -1;
    process->fiber = fiber_start(process->node->number, process->role, process_main, process);
}

static void restart(void *context) {
    struct process *process = context;
    process->waiting = false;
    if (process->node->up && process->node->wanted && !process->fiber)
        begin(process);
}

static struct process *process_of(const struct fiber *fiber) {
    for (int i = 0; i < NODES * PROCESSES; i++) {
        struct process *process = &processes[i / PROCESSES][i % PROCESSES];
        if (process->fiber == fiber)
            return process;
    }
    return NULL;
}

static void at_end(struct fiber *fiber, bool killed) {
    doors_forget(fiber_number_of(fiber));
    network_forget(fiber);
    struct process *process = process_of(fiber);
    for (int i = 0; i < NODES; i++) {
        if (inits[i] == fiber)
            end_init(&nodes[i], killed);
    }
    if (!process)
        return;
    process->fiber = NULL;
    struct node *node = process->node;
    sim_trace("node %d: %s ends, %s %d", node->number, process->role, killed ? "killed" : "code",
              killed ? 0 : process->exit_code);
    if (!node->up || !node->wanted)
        return;
    if (!killed && (process->exit_code == EXIT_UNSAFE || process->exit_code == EXIT_CONFIG)) {
        node_halt(node);
        decide(node);
        later(node);
    } else if (!process->waiting) {
        process->waiting = true;
        event_at(sim_now_us + RESTART_US, restart, process);
    }
}

/* --- The node --- */

void node_file(const struct node *node, const char *end, char path[160]) {
    snprintf(path, 160, "%s/data/hashmill.db%s", node->directory, end);
}

static void open_doors(struct node *node) {
    int number = node->number;
    doors_open(number);
    channels[number] = sockets_listen(channel_paths[number], SOCK_SEQPACKET, (gid_t)-1);
    askings[number] = sockets_listen(asking_paths[number], SOCK_SEQPACKET, (gid_t)-1);
    if (channels[number] < 0 || askings[number] < 0)
        sim_fail("no sockets");
    node->up = true;
    node->since_us = sim_now_us;
    for (int i = 0; i < PROCESSES; i++)
        begin(&processes[number][i]);
}

/* Whether its --init must have had the peer's answer. */
static bool could_be_asked(const struct node *node) {
    const struct node *peer = &nodes[1 - node->number];
    return node->conf.copying != COPY_NONE && peer->up && peer->wanted &&
           peer->since_us < node->since_us && peer->paused_until_us < node->since_us &&
           network_was_well(node->since_us - 1000000);
}

/* Whether what is served now is what it must be. */
static void check_recovery(struct node *node) {
    struct look look;
    if (!look_at(node, "", &look))
        sim_fail("node %d: --init has made no database", node->number);
    /* A continued database has the epoch that was served, or the next one. */
    bool newer = node->served_epoch > 0 && look.epoch > node->served_epoch + 1;
    /* A backup of the history that --alone began, in place of an older one that was fetched since.
     */
    bool outdated = newer && node->old;
    node->served_epoch = look.epoch;
    if (newer || (node->old && look.epoch != node->old_epoch)) {
        oracle_excuse("what an old database has served is lost when the newer one is fetched");
        node->old = false;
    }
    if (!node->lost)
        return;
    node->lost = false;
    bool same = memcmp(look.id, node->lost_id, ID_SIZE) == 0;
    bool enough = same && look.batch >= node->lost_batch;
    bool fetched = look.epoch > node->lost_epoch;
    /* What --alone serves may be of another history, whatever its number. */
    if (node->lost_batch > 0 && enough && !node->by_choice && (fetched || !node->by_hand))
        return;
    /* Put in place by hand, it may be of another history, or made while a clock was behind. */
    bool other = enough || (!same && fetched);
    bool by_hand = node->by_hand && (other || !could_be_asked(node));
    node->old = look.epoch < node->lost_epoch || (same && look.batch < node->kept_batch);
    node->old_epoch = look.epoch;
    if (node->lost_batch == 0 || node->by_choice || by_hand || outdated)
        oracle_excuse("a database was lost");
    else
        sim_fail("node %d: --init serves batch %lld of %s database, and clients were told of %lld",
                 node->number, (long long)look.batch, same ? "its" : "another",
                 (long long)node->lost_batch);
}

/* Whether it serves a queue where its volume is missing. */
static void check_volume(struct node *node) {
    if (node->plan.from_peer)
        node->kept_there = false; /* what is there now is what the peer had */
    if (node->mounted || node->plan.from_peer)
        return;
    if (node->kept_there)
        sim_fail("node %d: --init began an empty queue, and the peer has a replica", node->number);
    oracle_excuse("a queue was begun where the volume was missing");
}

/* Decides as the operator when --init refuses. */
static void decide(struct node *node) {
    char path[160];
    node_file(node, "", path);
    bool there = access(path, F_OK) == 0;
    node->refusals++;
    if (node->refusals < 3) {
        node->plan = (struct init_plan){.from_peer = true};
        return;
    }
    if (there &&
        node->refusals > 4) { /* nothing but a new queue will do: it moves the old one away */
        oracle_excuse("an operator has given a database up");
        node_remove_database(node);
        there = false;
    }
    node->plan = (struct init_plan){.new_one = !there, .alone = there};
}

static void start_again(void *context) {
    struct node *node = context;
    if (node->wanted && !node->up && !node->starting)
        node_start(node, node->plan);
}

static void later(struct node *node) {
    event_at(sim_now_us + INIT_PAUSE_US, start_again, node);
}

static void run_init(void *context) {
    struct node *node = context;
    const struct init_options options = {
        .from_peer = node->plan.from_peer, .new = node->plan.new_one, .alone = node->plan.alone};
    init_codes[node->number] = init_run(&node->conf, &options);
}

static void end_init(struct node *node, bool killed) {
    int code = init_codes[node->number];
    inits[node->number] = NULL;
    node->starting = false;
    sim_trace("node %d: --init ends, %s %d", node->number, killed ? "killed" : "code",
              killed ? 0 : code);
    if (!killed && code == EXIT_OK) {
        check_volume(node);
        check_recovery(node);
        if (node->by_choice && machines[node->number].wall_us < 0)
            compare_forget(
                node); /* a clock that is behind gives an epoch that may have been given */
        node->by_choice = false;
    }
    if (!node->wanted)
        return;
    if (!killed && code == EXIT_OK) {
        node->plan = (struct init_plan){0};
        open_doors(node);
        return;
    }
    if (!killed && node->mounted && (code == EXIT_CONFIG || code == EXIT_UNSAFE))
        decide(node);
    later(node);
}

void node_start(struct node *node, struct init_plan plan) {
    if (node->starting || (node->up && node->wanted))
        return;
    if (node->up) /* it was just stopping */
        node_halt(node);
    node->wanted = true;
    sim_trace("node %d starts%s%s%s", node->number, plan.from_peer ? " --from-peer" : "",
              plan.new_one ? " --new" : "", plan.alone ? " --alone" : "");
    node->plan = plan;
    node->by_choice = node->by_choice || plan.alone || plan.new_one;
    node->starting = true;
    node->since_us = sim_now_us;
    init_codes[node->number] = -1;
    inits[node->number] = fiber_start(node->number, "init", run_init, node);
}

void node_halt(struct node *node) {
    int number = node->number;
    struct fiber *init = inits[number];
    if (init) {
        inits[number] = NULL;
        node->starting = false;
        fiber_kill(init);
    }
    if (!node->up)
        return;
    sim_trace("node %d halts", number);
    node->up = false;
    for (int i = 0; i < PROCESSES; i++) {
        struct fiber *fiber = processes[number][i].fiber;
        processes[number][i].fiber = NULL;
        if (fiber)
            fiber_kill(fiber);
    }
    doors_close(number);
    close(channels[number]);
    close(askings[number]);
}

static void halt_stopped(void *context) {
    struct node *node = context;
    if (!node->wanted)
        node_halt(node);
}

bool node_kill(struct node *node, const char *role, struct dice *dice, bool inside) {
    for (int i = 0; i < PROCESSES; i++) {
        struct process *process = &processes[node->number][i];
        if (strcmp(process->role, role) != 0 || !process->fiber)
            continue;
        if (inside)
            fiber_kill_at(process->fiber, 1 + dice_below(dice, 12));
        else
            fiber_kill(process->fiber);
        return true;
    }
    return false;
}

bool node_kill_init(struct node *node, struct dice *dice) {
    struct fiber *init = inits[node->number];
    if (init)
        fiber_kill_at(init, 1 + dice_below(dice, 12));
    return init != NULL;
}

/* SIGTERM: every process ends by itself, and the master with them. */
void node_stop(struct node *node) {
    node->wanted = false;
    if (!node->up)
        return;
    for (int i = 0; i < PROCESSES; i++) {
        if (processes[node->number][i].fiber)
            fiber_stop(processes[node->number][i].fiber);
    }
    event_at(sim_now_us + DRAIN_US, halt_stopped, node);
}

/* --- Backups --- */

static void run_backup(void *context) {
    struct node *node = context;
    struct queue *queue = queue_open(&node->conf, channel_paths[node->number]);
    unlink(backup_paths[node->number]);
    queue_backup(queue, backup_paths[node->number]);
    queue_close(queue);
    backup_under_way = false;
}

void node_backup(struct node *node, const char *to) {
    if (!node->up || backup_under_way)
        return;
    backup_under_way = true; /* one at a time has the static memory of queue_backup */
    snprintf(backup_paths[node->number], sizeof backup_paths[0], "%s", to);
    fiber_start(node->number, "backup", run_backup, node);
}

/* --- Both --- */

static void set_up(struct node *node, uint64_t seed) {
    char why[600];
    char path[160];
    struct conf *conf = &node->conf;
    struct settings_files files = {0};
    if (!conf_load(conf, &files, why, sizeof why))
        sim_fail("settings: %s", why);
    conf->node = node->number;
    snprintf(conf->worker_token, sizeof conf->worker_token, "a token of workers");
    snprintf(conf->peer_token, sizeof conf->peer_token, "a token of nodes");
    snprintf(node->directory, sizeof node->directory, "%s/n%d", top, node->number);
    snprintf(conf->run_dir, sizeof conf->run_dir, "%s/run", node->directory);
    node_file(node, "", path);
    snprintf(conf->database, sizeof conf->database, "%s", path);
    mkdir(node->directory, 0700);
    mkdir(conf->run_dir, 0700);
    snprintf(path, sizeof path, "%s/data", node->directory);
    mkdir(path, 0700);
    snprintf(channel_paths[node->number], 120, "%s/run/w", node->directory);
    snprintf(asking_paths[node->number], 120, "%s/run/p", node->directory);
    conf->wait_slots_public = conf->wait_slots_worker = 16;
    conf->has_peer = true;
    conf->peer.node = 1 - node->number;
    snprintf(conf->peer.url, sizeof conf->peer.url, "http://node-%d", 1 - node->number);
    conf->copying = COPY_SYNC;
    conf->lease_seconds = 10;
    conf->in_hand_start = 4096;
    machines[node->number] = (struct machine){.dice = {seed + (uint64_t)node->number}};
    for (int i = 0; i < PROCESSES; i++) {
        processes[node->number][i] = roles[i];
        processes[node->number][i].node = node;
    }
}

void nodes_open(const char *directory, uint64_t seed) {
    snprintf(top, sizeof top, "%s", directory);
    fiber_on_end = at_end;
    for (int i = 0; i < NODES; i++) {
        nodes[i] = (struct node){.number = i, .mounted = true};
        set_up(&nodes[i], seed);
        doors_closed(i);
    }
}

void nodes_close(void) {
    for (int i = 0; i < NODES; i++)
        node_halt(&nodes[i]);
    remove_all(top);
}
