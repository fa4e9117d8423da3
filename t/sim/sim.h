#ifndef HASHMILL_SIM_H
#define HASHMILL_SIM_H

/*
 * Two nodes with their processes, workers and clients in one process, under virtual time and one
 * seed. Every process of a node is a fiber that runs the real function of its role; system calls
 * that wait, tell the time or are random are replaced:
 *
 *   fiber.c    fibers, virtual time, who runs next; what a process has open
 *   system.c   the wrapped calls of the system: clocks, random bytes, waits, descriptors
 *   disk.c     SQLite's files: locks and shared memory of ours, power cuts, full disks
 *   listen.c   the listening sockets of a node: fcgi/http/request.h over requests in memory
 *   network.c  lib/http.h over a network that loses, delays, repeats and cuts
 *   node.c     the processes of a node: started, killed, restarted, and what its operator does
 *   volume.c   its disk
 *   client.c   what clients and workers do
 *   oracle.c   what they were promised, and whether it holds
 *   compare.c  whether a replica equals its primary, and counts equal rows
 *   history.c  what happens, drawn from the seed or read from a file
 *   steps.c    makes it happen
 *   main.c     many seeds; shrinking
 */

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/conf.h"
#include "buffer.h"
#include "queue/queue.h"

enum { NODES = 2, NOBODY = -1 };

/* --- fiber.c --- */

struct fiber;

/* The virtual time, in microseconds since the beginning. It advances whenever a clock is read (so
 * that a loop that waits for a time ends), and when no fiber can run. */
extern int64_t sim_now_us;

/* Seeds the order in which fibers that can run do so. */
void fibers_begin(uint64_t seed);

/* Begins a fiber of a node (or NOBODY): run(context) on a stack of its own. */
struct fiber *fiber_start(int node, const char *role, void (*run)(void *context), void *context);

/* The fiber that runs, NULL outside of all; its node, NOBODY outside. */
struct fiber *fiber_self(void);
int fiber_node(void);
const char *fiber_role(void);
uint32_t fiber_number(void);
uint32_t fiber_number_of(const struct fiber *fiber);

/* Waits until a descriptor is ready, fiber_wake is called for this fiber, or until_us has come. */
void fiber_wait(const struct pollfd *fds, int count, int64_t until_us);
void fiber_sleep(int64_t us);
void fiber_wake(struct fiber *fiber);

/* Kills a process: all that it has open is closed, the rest of its memory is lost. One that kills
 * itself does not return. */
void fiber_kill(struct fiber *fiber);

/* Kills a process at its point of danger number `points` from now on: a write, a sync, a rename. */
void fiber_kill_at(struct fiber *fiber, int points);
void fiber_point(void);

/* Asks a fiber to stop by itself; whether the current one was asked to. */
void fiber_stop(struct fiber *fiber);
bool fiber_is_stopping(void);
/* True once after that, to interrupt a wait. */
bool fiber_is_told(void);

/* Stops and continues all fibers of a node. */
void fibers_pause(int node, int64_t until_us);

/* Called when a fiber ends: killed or returned. Set once, by node.c. */
extern void (*fiber_on_end)(struct fiber *fiber, bool killed);

/* Runs fibers and events until a time. */
void sim_run_until(int64_t until_us);

/* What a process has open; system.c. */
void descriptors_own(int fd);
void descriptors_forget(int fd);
void descriptors_close_of(uint32_t number);

/* Calls happen(context) at a time, outside of all fibers. */
void event_at(int64_t us, void (*happen)(void *context), void *context);

/* --- random numbers: splitmix64 --- */

struct dice {
    uint64_t state;
};
uint64_t dice_next(struct dice *dice);
/* 0 to n - 1. */
int dice_below(struct dice *dice, int n);
/* True in one of n cases. */
bool dice_one_in(struct dice *dice, int n);
void dice_bytes(struct dice *dice, void *to, size_t size);

/* --- system.c --- */

struct machine {
    struct dice dice;    /* its random numbers */
    int64_t steady_us;   /* added to the time */
    int64_t wall_us;     /* the same */
    int64_t drift_ppm;   /* its steady clock's */
    int64_t drift_since; /* virtual time */
    bool disk_full;
};
extern struct machine machines[NODES];
int64_t machine_steady_us(int node);
int64_t machine_wall_us(int node);
void machine_drift(int node, int64_t ppm);

/* --- disk.c --- */

/* Makes the VFS that SQLite uses. */
void disk_open(void);
/* Closes SQLite's files of a process and frees its locks. */
void disk_forget(uint32_t number);
/* Undoes none, some or all unsynced writes to each file of a directory. */
void disk_power_cut(const char *directory, struct dice *dice);
/* Takes a directory's files as synced: they were put there by hand. */
void disk_settle(const char *directory);
/* The syncs so far. */
extern int64_t disk_syncs;

/* --- listen.c --- */

enum door { DOOR_PUBLIC, DOOR_PUBLIC_WAIT, DOOR_WORKER, DOOR_WORKER_WAIT, DOOR_REPLICA, DOORS };

/* A request in the server, made by network.c and client.c. */
struct arrival {
    int node;
    enum door door;
    char method[8];
    char path[64];
    char query[300];
    char *parameters[6];
    char text[4][400]; /* of the parameters */
    struct buffer body;
    uint64_t number;
    void (*answer)(struct arrival *arrival, int status, const char *body, size_t length);
    void *context;
    uint32_t taken_by; /* number of the fiber; 0: nobody yet */
    struct arrival *next;
};
struct arrival *arrival_new(int node, enum door door);
void arrival_header(struct arrival *arrival, const char *name, const char *value);
/* Delivers it; its `answer` gets the server's answer, or status 0 when the server dies. */
void arrival_come(struct arrival *arrival);
/* Opens and closes a node's doors; the descriptor of one. */
void doors_closed(int node);
void doors_open(int node);
void doors_close(int node);
int door_descriptor(int node, enum door door);
/* Ends the requests that a process had taken: it is gone. */
void doors_forget(uint32_t number);

/* --- network.c --- */

struct network {
    int loss;        /* of 1000 messages, how many are lost, */
    int twice;       /* and how many come twice */
    int64_t most_us; /* delay */
    int64_t lossy_until;
    int64_t slow_until[NODES]; /* what comes to it takes seconds until then */
    int64_t cut_until[NODES];  /* what is sent to it is lost until then */
};
extern struct network network;
void network_begin(uint64_t seed);
void network_heal(void);
/* Whether no message was lost or late since then. */
bool network_was_well(int64_t since_us);
void network_forget(struct fiber *fiber);
/* Draws the fate of a message to a node: false when it is lost; else at_us is when it comes. */
bool network_fate(int to, int64_t *at_us);

/* --- node.c --- */

struct init_plan {
    bool from_peer;
    bool new_one;
    bool alone;
};

struct node {
    int number;
    struct conf conf;
    char directory[100];
    bool starting; /* --init is under way */
    bool up;
    bool wanted; /* an operator has started it */
    struct init_plan plan;
    int refusals; /* of --init in a row; the operator must decide */
    bool mounted;
    bool kept_there;  /* while not mounted: the peer had a replica */
    bool lost;        /* its database was lost or set back, and it has not started since */
    bool by_hand;     /* an old file was put in its place */
    int64_t since_us; /* when it began to serve, or to be made ready for it */
    int64_t paused_until_us;
    bool by_choice;     /* the operator has asked for --new or --alone */
    int64_t kept_batch; /* of the replica when it was lost */
    int64_t replica_lost_us;
    bool set_back; /* its database or the replica of it was replaced by hand */
    int64_t old_epoch;
    int64_t served_epoch;
    int64_t met_epoch; /* highest epoch of its database that its peer has met and not forgotten */
    bool old;          /* it serves an older database than its peer has a replica of */
    bool doubt;        /* COPY or the replica changed: it may lack what was acknowledged before */
    uint8_t lost_id[ID_SIZE];
    int64_t lost_epoch;
    int64_t lost_batch; /* what it must have again; 0: nothing is promised */
};
extern struct node nodes[NODES];

void nodes_open(const char *directory, uint64_t seed);
void nodes_close(void);
/* The operator starts it: --init, then the processes. */
void node_start(struct node *node, struct init_plan plan);
/* Power off: processes and doors. */
void node_halt(struct node *node);
bool node_kill(struct node *node, const char *role, struct dice *dice, bool inside);
bool node_kill_init(struct node *node, struct dice *dice);
void node_stop(struct node *node);
void node_file(const struct node *node, const char *end, char path[160]);
void node_wipe(struct node *node);
void node_remove_database(const struct node *node);
void remove_all(const char *directory);
/* Copies the database's files, with -wal, to a place or back. */
bool node_save(const struct node *node, const char *to);
bool node_restore(struct node *node, const char *from);
/* Copies the replica that it keeps to a file, or back. */
void node_copy_replica(const struct node *node, const char *path, bool back);
/* A backup, in a process of its own. */
void node_backup(struct node *node, const char *to);
/* Takes the volume of its data away, or brings it back. */
void node_mount(struct node *node, bool there);
/* Called before its database is lost: notes what it must have again. */
void node_note_loss(struct node *node, bool by_hand);

/* --- client.c --- */

enum act {
    ACT_ENQUEUE,
    ACT_ENQUEUE_KEYED,
    ACT_WORK,
    ACT_WORK_BADLY,
    ACT_PULL,
    ACT_PULL_KEYED,
    ACT_CANCEL,
    ACT_LOOK,
    ACT_REPEAT
};
/* Begins an act in a fiber of its own. */
void client_act(enum act act, uint64_t seed);
void client_enqueue(void *seed); /* for event_at() */
/* How many are under way. */
int clients_under_way(void);
extern int64_t client_operations;
/* Works and pulls at both nodes until nothing is left. */
void clients_finish(void);

/* --- oracle.c --- */

void oracle_begin(void);
void oracle_end(void);
void oracle_check_at_rest(void);
/* Excuses all records and pulls so far: for the reason in why, their promises may be broken. */
void oracle_excuse(const char *why);

/* --- failing --- */

/* Ends the run: a promise was broken. */
void sim_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
void sim_trace(const char *format, ...) __attribute__((format(printf, 1, 2)));
extern bool sim_verbose;

#endif
