/*
 * The queue in the obvious way, for comparison: each process has its own connection to the database
 * and commits every enqueue by itself at synchronous=FULL, with SQLite's busy handler for when
 * another one is writing. Linked in the place of client.c; only what the enqueue benchmark
 * calls is there, everything else is answered as down. The schema is the writer's, which has
 * nothing else to do. Never for a database that matters: see SQLite's WAL-reset defect.
 */

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "fcgi/base/conf.h"
#include "fcgi/queue/queue_fleet.h"
#include "fcgi/queue/queue_history.h"
#include "log.h"
#include "sql.h"

enum { BUSY_MS = 5000, ANSWERS_MAX = 64 };

struct queue {
    const char *path;
    sqlite3 *database; /* NULL until it is first needed: the writer makes the schema meanwhile */
    sqlite3_stmt *enqueue;
    uint64_t last_ticket;
    struct queue_answer answers[ANSWERS_MAX]; /* to enqueues */
    int answer_count;
};

struct queue *queue_open(const struct conf *conf, const char *channel) {
    (void)channel;
    struct queue *queue = calloc(1, sizeof *queue);
    if (queue)
        queue->path = conf->database;
    return queue;
}

static void close_database(struct queue *queue) {
    sqlite3_finalize(queue->enqueue);
    sqlite3_close(queue->database);
    queue->enqueue = NULL;
    queue->database = NULL;
}

void queue_close(struct queue *queue) {
    close_database(queue);
    free(queue);
}

static bool open_database(struct queue *queue) {
    if (queue->database)
        return true;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(queue->path, &queue->database, flags, NULL) == SQLITE_OK &&
        sqlite3_busy_timeout(queue->database, BUSY_MS) == SQLITE_OK &&
        sqlite3_exec(queue->database, "PRAGMA synchronous = FULL", NULL, NULL, NULL) == SQLITE_OK &&
        sqlite3_prepare_v3(queue->database, sql_text[SQL_ENQUEUE], -1, SQLITE_PREPARE_PERSISTENT,
                           &queue->enqueue, NULL) == SQLITE_OK)
        return true;
    log_warn("cannot open %s: %s", queue->path, sqlite3_errmsg(queue->database));
    close_database(queue);
    return false;
}

enum queue_result queue_enqueue(struct queue *queue, const struct queue_enqueue *item,
                                struct uuid *id) {
    if (!open_database(queue))
        return QUEUE_DOWN;
    sqlite3_stmt *statement = queue->enqueue;
    sqlite3_bind_blob(statement, 1, item->id.bytes, ID_SIZE, SQLITE_STATIC);
    sqlite3_bind_blob(statement, 2, item->digest, DIGEST_SIZE, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 3, item->iterations);
    sqlite3_bind_int64(statement, 4, clock_steady_ms());
    sqlite3_bind_int64(statement, 5, clock_steady_ms());
    sqlite3_bind_text(statement, 6, item->key[0] ? item->key : NULL, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 7, clock_wall_ms());
    sqlite3_bind_int64(statement, 8, item->iterations == 1 ? ITEM_DONE : ITEM_WAITING);
    sqlite3_bind_int64(statement, 9, 0);
    sqlite3_step(statement);
    int code = sqlite3_reset(statement);
    *id = item->id;
    if (code == SQLITE_OK)
        return QUEUE_OK;
    log_warn("enqueue: %s", sqlite3_errmsg(queue->database));
    return QUEUE_DOWN;
}

int queue_retry_seconds(const struct queue *queue) {
    (void)queue;
    return 1;
}

void queue_left(const struct queue *queue, struct queue_left *left) {
    (void)queue;
    *left = (struct queue_left){0};
}

enum queue_result queue_tally(struct queue *queue, const struct queue_whose *whose,
                              struct queue_tally *tally) {
    (void)whose;
    *tally = (struct queue_tally){0};
    return open_database(queue) ? QUEUE_OK : QUEUE_DOWN;
}

enum queue_result queue_enqueue_many(struct queue *queue, const struct queue_many *many,
                                     struct queue_many_stored *stored) {
    (void)queue, (void)many, (void)stored;
    return QUEUE_DOWN;
}

enum queue_result queue_pull(struct queue *queue, const struct queue_pull *pull,
                             struct queue_batch *batch) {
    (void)queue, (void)pull, (void)batch;
    return QUEUE_DOWN;
}

enum queue_result queue_pulled(struct queue *queue, const struct queue_pull *pull) {
    (void)queue, (void)pull;
    return QUEUE_NONE;
}

enum queue_result queue_look(struct queue *queue, struct uuid id, const struct queue_whose *whose,
                             struct queue_item *item) {
    (void)queue, (void)id, (void)whose, (void)item;
    return QUEUE_DOWN;
}

enum queue_result queue_cancel(struct queue *queue, const struct queue_cancel *cancel) {
    (void)queue, (void)cancel;
    return QUEUE_DOWN;
}

enum queue_result queue_cancel_many(struct queue *queue, const struct queue_cancel_many *cancel,
                                    struct queue_cancelled *cancelled) {
    (void)queue, (void)cancel, (void)cancelled;
    return QUEUE_DOWN;
}

enum queue_result queue_list(struct queue *queue, const struct queue_list *list,
                             struct queue_page *page) {
    (void)queue, (void)list, (void)page;
    return QUEUE_DOWN;
}

enum queue_result queue_report(struct queue *queue, const struct queue_report *report,
                               struct queue_verdict *verdict) {
    (void)queue, (void)report, (void)verdict;
    return QUEUE_DOWN;
}

enum queue_result queue_retire(struct queue *queue, const struct queue_worker *worker) {
    (void)queue, (void)worker;
    return QUEUE_DOWN;
}

enum queue_result queue_update_machine(struct queue *queue,
                                       const struct queue_machine_update *update) {
    (void)queue, (void)update;
    return QUEUE_DOWN;
}

enum queue_result queue_fleet(struct queue *queue, const struct queue_fleet_since *since,
                              struct queue_fleet *fleet) {
    (void)queue, (void)since, (void)fleet;
    return QUEUE_DOWN;
}

enum queue_result queue_history(struct queue *queue, struct queue_history *history) {
    (void)queue, (void)history;
    return QUEUE_DOWN;
}

uint64_t queue_start_lease(struct queue *queue, const struct queue_lease *request) {
    (void)queue, (void)request;
    return UINT64_MAX; /* never answered */
}

uint64_t queue_start_look(struct queue *queue, struct uuid id, const struct queue_whose *whose,
                          int64_t wait_ms) {
    (void)whose;
    (void)queue, (void)id, (void)wait_ms;
    return 1;
}

uint64_t queue_start_done(struct queue *queue, const char *client, int64_t wait_ms) {
    (void)queue, (void)client, (void)wait_ms;
    return 1;
}

/* Enqueues at once: the process waits for its own commit, as it is the point of this engine. */
uint64_t queue_start_enqueue(struct queue *queue, const struct queue_enqueue *item) {
    if (queue->answer_count == ANSWERS_MAX)
        abort();
    struct queue_answer *answer = &queue->answers[queue->answer_count++];
    *answer = (struct queue_answer){.ticket = ++queue->last_ticket};
    answer->result = queue_enqueue(queue, item, &answer->id);
    return answer->ticket;
}

void queue_flush(struct queue *queue) {
    (void)queue;
}

void queue_forget(struct queue *queue, uint64_t ticket) {
    (void)queue, (void)ticket;
}

int queue_descriptor(const struct queue *queue) {
    (void)queue;
    return -1;
}

bool queue_next(struct queue *queue, struct queue_answer *answer) {
    if (queue->answer_count == 0)
        return false;
    *answer = queue->answers[--queue->answer_count];
    return true;
}

void queue_return_lease(struct queue *queue, struct queue_return grant) {
    (void)queue, (void)grant;
}

bool queue_is_behind(const struct queue *queue) {
    (void)queue;
    return false;
}

int queue_under_way(const struct queue *queue) {
    (void)queue;
    return 0;
}
