/*
 * Two nodes that lend each other machines: two stores, two scalers that decide by what is in them,
 * and a network that loses, repeats, delays and reorders what the nodes say. Each node may run 3
 * machines, a loan holds for 24 s, an item may wait 2 s.
 */
#ifndef HASHMILL_T_TWO_NODES_H
#define HASHMILL_T_TWO_NODES_H

#include "fcgi/scaler/scaling.h"
#include "fixture.h"

enum {
    MAX = 3, /* WORKERS_MAX */
    LOAN_MS = 24000,
    STEP_MS = 250,
    TURN_MS = 1000, /* of scalers and hellos */
    MESSAGES = 256,
    SLACK_MS = 3 * TURN_MS /* a scaler's turns on top of a stated time */
};

/* A node: its store, NULL while it is down, and the machines that it has launched. These run on
 * while it is down. */
struct node {
    int number;
    struct conf conf;
    struct store *store;
    bool busy;         /* more to do than any number of machines could */
    struct uuid item;  /* waits while busy */
    int64_t up_ms;     /* real time of the last start */
    int launched;      /* ever */
    int machines;      /* that exist */
    int64_t nonce;     /* of the last answer to its hellos */
    int leaving_turns; /* for which a leaving machine holds its items */
};

/* What is under way from one node to another: a hello, or the answer to one. */
struct message {
    int64_t arrives_ms; /* real time; 0: this place is free */
    int to;
    bool answer;
    struct queue_hello hello; /* as sent, */
    int64_t clock_ms;         /* then */
    struct queue_hello_answer answered;
};

static struct node nodes[2];
static struct message messages[MESSAGES];
static bool cut;             /* nothing gets through */
static int trouble;          /* percent of messages that are lost, and percent that come twice */
static int64_t delay_max_ms; /* of a message */
static int64_t real_ms;
static int most_machines; /* of both nodes, since it was set to 0 */

static inline int draw(int limit) {
    return (int)(random() % limit);
}

/* --- Nodes --- */

static inline void start_node(struct node *node) {
    int exit_code;
    if (access(node->conf.database, F_OK) != 0 && !store_create(&node->conf, 0))
        abort();
    node->store = store_open(&node->conf, &exit_code);
    if (!node->store || sqlite3_exec(sqlite_of(node->store)->database, "PRAGMA synchronous = OFF",
                                     NULL, NULL, NULL) != SQLITE_OK)
        abort();
    node->up_ms = real_ms;
    node->nonce = 0;
}

static inline void stop_node(struct node *node) {
    if (node->store)
        store_close(node->store);
    node->store = NULL;
}

static inline void remove_databases(void) {
    static const char *const ends[] = {"", "-wal", "-shm", "-lock"};
    char path[sizeof nodes[0].conf.database + 8];
    for (int i = 0; i < 2; i++) {
        stop_node(&nodes[i]);
        for (size_t end = 0; end < sizeof ends / sizeof *ends; end++) {
            snprintf(path, sizeof path, "%s%s", nodes[i].conf.database, ends[end]);
            unlink(path);
        }
    }
}

/* Two nodes with nothing to do, and a network without trouble. */
static inline void begin_anew(void) {
    remove_databases();
    memset(messages, 0, sizeof messages);
    cut = false;
    trouble = 0;
    delay_max_ms = 0;
    for (int i = 0; i < 2; i++) {
        nodes[i] = (struct node){.number = i + 1, .conf = conf};
        struct conf *own = &nodes[i].conf;
        snprintf(own->database, sizeof own->database, "%s/node%d", directory, i + 1);
        own->node = i + 1;
        own->workers_max = MAX;
        own->wait_launch_seconds = 2;
        own->loan_seconds = LOAN_MS / 1000;
        own->has_peer = true;
        own->peer.node = 2 - i;
        start_node(&nodes[i]);
    }
}

/* Gives a node more to do than there are machines, or takes it away. */
static inline void set_busy(struct node *node, bool busy) {
    if (!node->store || node->busy == busy)
        return;
    store_begin(node->store);
    if (busy) {
        struct queue_enqueue item = new_item(1000000);
        store_enqueue(node->store, &item, &node->item);
    } else {
        cancel_item(node->store, node->item);
    }
    store_commit(node->store);
    node->busy = busy;
}

/* A node's queue clock. */
static inline int64_t clock_of(const struct node *node) {
    return clock_steady_ms() + sqlite_of(node->store)->clock_offset_ms;
}

/* How many machines a node's writer allows. */
static inline int64_t limit_of(struct node *node) {
    char sql[300];
    int64_t now = clock_of(node);
    snprintf(
        sql, sizeof sql,
        "SELECT coalesce(sum(iif(side = 1, -1, state = 1)), 0) FROM loan WHERE deadline > %lld",
        (long long)now);
    return MAX + number(node->store, sql);
}

static inline int64_t loans_of(struct node *node) {
    return number(node->store, "SELECT count(*) FROM loan");
}

/* --- The network --- */

static inline void post(const struct message *message) {
    for (int copies = draw(100) < trouble ? 2 : 1; copies > 0; copies--) {
        if (cut || draw(100) < trouble)
            continue;
        struct message *place = messages;
        while (place->arrives_ms != 0)
            place++;
        if (place >= messages + MESSAGES)
            abort();
        *place = *message;
        place->arrives_ms = real_ms + (delay_max_ms ? draw((int)delay_max_ms) : 0);
    }
}

/* A node says hello, by what is durable. */
static inline void say_hello(struct node *node) {
    struct message message = {.to = 1 - (node->number - 1),
                              .hello = {.node = node->number,
                                        .nonce = node->nonce,
                                        .identity = sqlite_of(node->store)->identity}};
    sqlite3_stmt *row;
    if (sqlite3_prepare_v2(sqlite_of(node->store)->database, "SELECT id FROM loan WHERE side = 0",
                           -1, &row, NULL) != SQLITE_OK)
        abort();
    message.clock_ms = clock_of(node);
    while (sqlite3_step(row) == SQLITE_ROW && message.hello.count < QUEUE_LOANS_MAX)
        memcpy(message.hello.loans[message.hello.count++].bytes, sqlite3_column_blob(row, 0),
               ID_SIZE);
    sqlite3_finalize(row);
    post(&message);
}

static inline void take_hello(struct node *node, const struct message *message) {
    struct message answer = *message;
    answer.answer = true;
    answer.to = message->hello.node - 1;
    store_begin(node->store);
    enum queue_result result = store_hello(node->store, &message->hello, &answer.answered);
    if (!store_commit(node->store))
        abort();
    if (result == QUEUE_OK)
        post(&answer);
}

static inline void take_heard(struct node *node, const struct message *message) {
    struct queue_heard heard = {
        .sent = message->hello, .clock_ms = message->clock_ms, .answer = message->answered};
    node->nonce = message->answered.nonce;
    if (!message->answered.counts)
        return;
    heard.sent.node = 3 - node->number;
    store_begin(node->store);
    store_heard(node->store, &heard);
    if (!store_commit(node->store))
        abort();
}

/* Delivers what has arrived; what arrives at a node that is down is lost. */
static inline void deliver(void) {
    for (int i = 0; i < MESSAGES; i++) {
        struct message message = messages[i];
        if (message.arrives_ms == 0 || message.arrives_ms > real_ms)
            continue;
        messages[i].arrives_ms = 0;
        struct node *node = &nodes[message.to];
        if (!node->store || cut)
            continue;
        if (message.answer)
            take_heard(node, &message);
        else
            take_hello(node, &message);
    }
}

/* --- The scaler, and a provider that does what it is told at once --- */

static inline void read_machines(struct node *node, struct scaling_snapshot *snapshot,
                                 char names[][QUEUE_NAME_SIZE]) {
    sqlite3_stmt *row;
    if (sqlite3_prepare_v2(sqlite_of(node->store)->database,
                           "SELECT name, state, changed FROM machine WHERE state < 3", -1, &row,
                           NULL) != SQLITE_OK)
        abort();
    while (sqlite3_step(row) == SQLITE_ROW) {
        snprintf(names[snapshot->count], QUEUE_NAME_SIZE, "%s",
                 (const char *)sqlite3_column_text(row, 0));
        int64_t for_ms = store_now_ms(sqlite_of(node->store)) - sqlite3_column_int64(row, 2);
        int state = sqlite3_column_int(row, 1);
        bool drained = state == MACHINE_LEAVING && for_ms > node->leaving_turns * TURN_MS;
        snapshot->machines[snapshot->count++] =
            (struct scaling_machine){.state = state,
                                     .has_id = true,
                                     .items = node->busy && !drained ? 5 : 0,
                                     .listing = LISTING_RUNNING,
                                     .copies = 1};
    }
    sqlite3_finalize(row);
}

static inline void read_loans(struct node *node, struct scaling_snapshot *snapshot,
                              struct uuid *ids) {
    sqlite3_stmt *row;
    if (sqlite3_prepare_v2(sqlite_of(node->store)->database,
                           "SELECT id, side, state, deadline FROM loan", -1, &row,
                           NULL) != SQLITE_OK)
        abort();
    struct queue_copying peer;
    store_tally_copying(sqlite_of(node->store), &peer);
    bool away = peer.heard_ms < 0 || peer.away;
    while (sqlite3_step(row) == SQLITE_ROW) {
        memcpy(ids[snapshot->loan_count].bytes, sqlite3_column_blob(row, 0), ID_SIZE);
        snapshot->loans[snapshot->loan_count++] = (struct scaling_loan){
            .node = 3 - node->number,
            .side = sqlite3_column_int(row, 1),
            .state = sqlite3_column_int(row, 2),
            .away = away,
            .left_ms = sqlite3_column_int64(row, 3) - store_now_ms(sqlite_of(node->store))};
    }
    sqlite3_finalize(row);
    snapshot->peer = (struct scaling_peer){.node = 3 - node->number, .away = away};
    snapshot->has_peer = true;
}

static inline void update(struct node *node, const char *name, enum machine_state state) {
    struct queue_machine_update update = {.state = state};
    snprintf(update.name, sizeof update.name, "%s", name);
    store_update_machine(node->store, &update);
}

static inline void launch(struct node *node) {
    struct queue_machine_update update = {.state = MACHINE_LAUNCHING};
    snprintf(update.name, sizeof update.name, "m%d", ++node->launched);
    if (store_update_machine(node->store, &update) != QUEUE_OK)
        return;
    update.state = MACHINE_LAUNCHED;
    store_update_machine(node->store, &update);
    node->machines++;
}

static inline void carry_out(struct node *node, const struct scaling_snapshot *snapshot,
                             const struct scaling_decision *decision, char names[][QUEUE_NAME_SIZE],
                             const struct uuid *ids) {
    for (int i = 0; i < snapshot->count; i++) {
        if (decision->machines[i].step == STEP_LEAVE)
            update(node, names[i], MACHINE_LEAVING);
        if (decision->machines[i].step == STEP_TERMINATE) {
            update(node, names[i], MACHINE_GONE);
            node->machines--;
        }
    }
    for (int i = 0; i < snapshot->loan_count; i++) {
        struct queue_loan_step step = {.id = ids[i], .node = 3 - node->number};
        step.step = decision->loans[i].step == LOAN_STEP_RETURN ? LOAN_RETURN : LOAN_RECALL;
        if (decision->loans[i].step != LOAN_STEP_KEEP)
            store_loan(node->store, &step);
    }
    struct queue_loan_step want = {
        .id = id_new(node->number), .node = decision->borrow_from, .step = LOAN_WANT};
    if (want.node != SCALING_NOBODY)
        store_loan(node->store, &want);
    for (int i = 0; i < decision->launch; i++)
        launch(node);
}

/* One turn of a node's scaler. */
static inline void turn(struct node *node) {
    static struct scaling_snapshot snapshot;
    static struct scaling_decision decision;
    static char names[QUEUE_MACHINES_MAX][QUEUE_NAME_SIZE];
    static struct uuid ids[QUEUE_LOANS_MAX];
    struct queue_tally tally;
    store_begin(node->store);
    store_tally(node->store, &queue_everybodys, &tally);
    snapshot = (struct scaling_snapshot){.rules = {.workers_max = MAX,
                                                   .wait_launch_ms = 2000,
                                                   .silent_ms = 60000,
                                                   .boot_max_ms = 300000,
                                                   .loan_ms = LOAN_MS},
                                         .oldest_wait_ms = tally.oldest_wait_ms,
                                         .waiting = 1000,
                                         .remaining = INT64_MAX / 4,
                                         .boot_ms = 1000,
                                         .machine_rate = 100};
    read_machines(node, &snapshot, names);
    read_loans(node, &snapshot, ids);
    scaling_decide(&snapshot, &decision);
    carry_out(node, &snapshot, &decision, names, ids);
    if (!store_commit(node->store))
        abort();
}

/* --- Time --- */

/* Lets some time pass, with each node's turns and hellos. */
static inline void pass(int64_t ms) {
    for (; ms > 0; ms -= STEP_MS) {
        clock_offsets[1] += STEP_MS;
        real_ms += STEP_MS;
        for (int i = 0; i < 2; i++) {
            int64_t phase_ms = real_ms + i * 2 * STEP_MS; /* not both at once */
            if (nodes[i].store && phase_ms % TURN_MS == 0)
                turn(&nodes[i]);
            if (nodes[i].store && phase_ms % TURN_MS == STEP_MS)
                say_hello(&nodes[i]);
        }
        deliver();
        int machines = nodes[0].machines + nodes[1].machines;
        most_machines = machines > most_machines ? machines : most_machines;
    }
}

/* Lets time pass until a node has `machines` machines; false when it has not within within_ms. */
static inline bool reaches(struct node *node, int machines, int64_t within_ms) {
    for (; within_ms > 0 && node->machines != machines; within_ms -= STEP_MS)
        pass(STEP_MS);
    return node->machines == machines;
}

#endif
