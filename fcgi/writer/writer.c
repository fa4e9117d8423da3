#include "writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/child.h"
#include "batch.h"
#include "buffer.h"
#include "clock.h"
#include "disk_failed.h"
#include "log.h"
#include "operation.h"
#include "withheld.h"

/*
 * The writer: the one process that writes the database. It applies all waiting operations in one
 * transaction and answers them after its one fsync. With COPY=sync it withholds promises to clients
 * until the replica at the peer has them, too. It never blocks in sending; it keeps answers that a
 * process does not fetch, up to a bound. It copies and sends a backup in small parts, after each
 * batch, or one after the other when there is nothing else to do.
 */

enum {
    EVENTS_MAX = 128,
    READS_PER_TURN = 64,                /* operations taken from one connection in one turn */
    UNSENT_BYTES_MAX = 4 * 1024 * 1024, /* answers kept for one connection */
    /* A turn of the loop takes less, without its wait. With WITHHELD_MS it is less than the 3 s
     * after which the peer may give the database to another server. */
    PAUSE_MS = 900,
    BACKUP_STALLED_MS = 60000 /* a backup with nothing fetched for this long is ended */
};

/* A connected process. `unsent` holds answers as (size_t size, message), one after another. */
struct connection {
    int fd; /* -1 once it is gone */
    struct buffer unsent;
    LIST_ENTRY(connection) all;
};

LIST_HEAD(connections, connection);

struct writer {
    const struct child_job *job;
    struct store *store;
    struct parked *parked;
    struct batch *batch;
    struct withheld *withheld;
    int epoll;
    struct connection *backup; /* whose backup is under way, or NULL, */
    uint64_t backup_id;        /* its operation id there, */
    int64_t backup_sent_ms;    /* steady time of the last part sent */
    int64_t noted_ms;          /* steady time of the last note_time */
    struct connections connections;
    struct connections gone; /* to be freed when the batch is done with them */
};

/* Watches a connection, for writing too while it has unsent answers. */
static bool watch(struct writer *writer, struct connection *connection, int how) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    if (connection->unsent.length > 0)
        event.events |= EPOLLOUT;
    return epoll_ctl(writer->epoll, how, connection->fd, &event) == 0;
}

/* Gives back the leases among the unsent answers of a lost connection. */
static void return_unsent(struct writer *writer, const struct buffer *unsent) {
    struct channel_message message;
    size_t at = 0;
    while (at < unsent->length) {
        size_t size;
        memcpy(&size, unsent->data + at, sizeof size);
        memcpy(&message, unsent->data + at + sizeof size, size);
        if (message.header.operation == OPERATION_LEASE && message.header.result == QUEUE_OK)
            batch_return_lease(writer->batch, message.body.grant.returnable);
        at += sizeof size + size;
    }
}

/* Ends the backup under way; `how` says in what way. */
static void end_backup(struct writer *writer, const char *how) {
    store_backup_end(writer->store);
    writer->backup = NULL;
    log_info("the backup %s", how);
}

/* Ends a connection: its waits are dropped, its undelivered leases go back. */
static void drop(struct writer *writer, struct connection *connection) {
    if (connection->fd < 0)
        return;
    close(connection->fd);
    connection->fd = -1;
    if (writer->backup == connection)
        end_backup(writer, "is broken off");
    batch_disown(writer->batch, connection);
    withheld_disown(writer->withheld, connection);
    return_unsent(writer, &connection->unsent);
    LIST_REMOVE(connection, all);
    LIST_INSERT_HEAD(&writer->gone, connection, all);
}

static void free_gone(struct connections *gone) {
    struct connection *connection;
    while ((connection = LIST_FIRST(gone)) != NULL) {
        LIST_REMOVE(connection, all);
        buffer_free(&connection->unsent);
        free(connection);
    }
}

static void accept_all(struct writer *writer) {
    int fd;
    while ((fd = accept4(writer->job->listen_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        struct connection *connection = channel_is_own(fd) ? calloc(1, sizeof *connection) : NULL;
        if (!connection) {
            close(fd);
            continue;
        }
        channel_prepare(fd);
        connection->fd = fd;
        LIST_INSERT_HEAD(&writer->connections, connection, all);
        if (!watch(writer, connection, EPOLL_CTL_ADD))
            drop(writer, connection);
    }
    if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
        log_error("cannot accept a process: %m; raise the limits on open files or memory");
}

/* Keeps an answer for later. False when too much has piled up: its process must be cut off. */
static bool keep_unsent(struct writer *writer, struct connection *connection,
                        const struct channel_message *answer, size_t size) {
    if (connection->unsent.length + size > UNSENT_BYTES_MAX) {
        log_warn("a process does not fetch its answers; its channel is closed");
        return false;
    }
    buffer_append(&connection->unsent, &size, sizeof size);
    buffer_append(&connection->unsent, answer, size);
    return watch(writer, connection, EPOLL_CTL_MOD);
}

/* Sends an answer, or keeps it until there is room. False when the connection is gone or must be
 * dropped. */
static bool send_answer(struct writer *writer, struct connection *connection,
                        const struct channel_message *answer) {
    size_t size = operation_answer_size(answer);
    if (!connection || connection->fd < 0)
        return false;
    enum channel_result result = CHANNEL_AGAIN;
    if (connection->unsent.length == 0)
        result = channel_send(connection->fd, answer, size);
    return result == CHANNEL_OK ||
           (result == CHANNEL_AGAIN && keep_unsent(writer, connection, answer, size));
}

/* Refuses a backup. */
static void refuse_backup(struct writer *writer, struct connection *connection, uint64_t id,
                          enum queue_result result) {
    struct channel_message *answer = batch_room(writer->batch); /* where it was received */
    answer->header = (struct channel_header){.version = CHANNEL_VERSION,
                                             .operation = OPERATION_BACKUP,
                                             .result = (uint16_t)result,
                                             .id = id};
    if (!send_answer(writer, connection, answer))
        drop(writer, connection);
}

/* Whether a backup is under way and nothing of it is fetched. */
static bool is_stalled(const struct writer *writer) {
    return writer->backup && writer->backup->unsent.length > 0 &&
           clock_steady_ms() - writer->backup_sent_ms > BACKUP_STALLED_MS;
}

/* Begins a backup, if it is the only one. */
static void begin_backup(struct writer *writer, struct connection *connection, uint64_t id) {
    if (is_stalled(writer))
        drop(writer, writer->backup);
    enum queue_result result = store_backup_begin(writer->store);
    if (result != QUEUE_OK) {
        refuse_backup(writer, connection, id, result);
        return;
    }
    writer->backup = connection;
    writer->backup_id = id;
    writer->backup_sent_ms = clock_steady_ms();
    log_info("a backup begins");
}

/* Reads the operations that wait on a connection, a limited number at a time, so that all get their
 * turn. */
static void read_operations(struct writer *writer, struct connection *connection) {
    for (int i = 0; i < READS_PER_TURN && connection->fd >= 0; i++) {
        struct channel_message *message = batch_room(writer->batch);
        size_t size = 0;
        if (!message)
            return;
        enum channel_result result = channel_receive(connection->fd, message, &size);
        if (result == CHANNEL_AGAIN)
            return;
        if (result == CHANNEL_OK && message->header.operation == OPERATION_BACKUP &&
            size == operation_size(message)) {
            begin_backup(writer, connection, message->header.id);
            return;
        }
        if (result == CHANNEL_OK && batch_add(writer->batch, connection, size)) {
            if (operation_kind(message)->is_alone)
                return;
            continue;
        }
        if (result == CHANNEL_OK)
            log_error("a process sent an operation that no process sends; its channel is closed");
        drop(writer, connection);
    }
}

/* Whether an answer promises something that the replica must have first. */
static bool must_withhold(const struct writer *writer, const struct job *job) {
    if (!job->answer || !job->owner || job->answer->header.result != QUEUE_OK ||
        store_may_answer(writer->store, store_last_batch(writer->store)))
        return false;
    const struct operation_kind *kind = operation_kind(job->answer);
    return kind->promises && kind->promises(job->answer);
}

/* Withholds an answer until the replica has all changes up to now: a repeated enqueue or pull may
 * be answered from an earlier batch. */
static void withhold(struct writer *writer, const struct job *job) {
    int64_t most =
        writer->job->conf->operation_seconds * 1000 / 2; /* its process waits no longer */
    int64_t until = clock_steady_ms() + (most < WITHHELD_MS ? most : WITHHELD_MS);
    if (!withheld_add(writer->withheld, job->owner, store_last_batch(writer->store), job->answer,
                      until))
        drop(writer, job->owner);
}

/* Sends the withheld answers whose batch the replica has. Before it sends an expired one (by
 * now_ms), saves that the replica is incomplete from now on. While that cannot be saved, nobody is
 * answered. */
static void release_withheld(struct writer *writer, int64_t now_ms) {
    const struct withheld_answer *first;
    while ((first = withheld_first(writer->withheld)) != NULL) {
        bool good = store_may_answer(writer->store, first->batch);
        if (!good && first->until_ms > now_ms)
            return;
        struct connection *owner = first->owner;
        good = good || store_note_incomplete(writer->store);
        withheld_remove(writer->withheld); /* its memory stays valid for now */
        if (!good || !send_answer(writer, owner, first->answer))
            drop(writer, owner);
    }
}

/* Delivers a job's answer. Gives back a lease that cannot be delivered. */
static void deliver(struct writer *writer, const struct job *job) {
    struct connection *connection = job->owner;
    if (!job->answer)
        return;
    if (must_withhold(writer, job)) {
        withhold(writer, job);
        return;
    }
    if (send_answer(writer, connection, job->answer))
        return;
    if (job->answer->header.operation == OPERATION_LEASE && job->answer->header.result == QUEUE_OK)
        batch_return_lease(writer->batch, job->answer->body.grant.returnable);
    if (connection)
        drop(writer, connection);
}

/* Sends the unsent answers while there is room. */
static void send_unsent(struct writer *writer, struct connection *connection) {
    static struct channel_message message; /* for its alignment; too large for the stack */
    struct buffer *unsent = &connection->unsent;
    size_t at = 0;
    enum channel_result result = CHANNEL_OK;
    while (at < unsent->length) {
        size_t size;
        memcpy(&size, unsent->data + at, sizeof size);
        memcpy(&message, unsent->data + at + sizeof size, size);
        result = channel_send(connection->fd, &message, size);
        if (result != CHANNEL_OK)
            break;
        at += sizeof size + size;
    }
    if (at > 0) {
        memmove(unsent->data, unsent->data + at, unsent->length - at);
        unsent->length -= at;
    }
    if (result == CHANNEL_GONE || !watch(writer, connection, EPOLL_CTL_MOD))
        drop(writer, connection);
}

/* Leaves the mark of a failed disk, before anybody hears of it: no other writer may start, whatever
 * happens to this one. */
static void note_failure(const struct writer *writer) {
    if (store_state(writer->store) == STORE_POISONED)
        disk_failed_mark(writer->job->conf);
}

/* Runs the batch and delivers its answers. False when the store is poisoned or unsure. */
static bool run_batch(struct writer *writer) {
    int count;
    bool good = batch_run(writer->batch);
    if (!good)
        note_failure(writer);
    const struct job *jobs = batch_jobs(writer->batch, &count);
    for (int i = 0; i < count; i++)
        deliver(writer, &jobs[i]);
    batch_clear(writer->batch);
    return good;
}

/* Goes on with the backup: sends what was copied while there is room, and copies a little more.
 * Pages that batches have changed go first. False when the store is poisoned or unsure. */
static bool go_on_with_backup(struct writer *writer) {
    static struct channel_message part; /* too large for the stack */
    bool copied = false;
    while (writer->backup && writer->backup->unsent.length == 0) {
        if (store_backup_take(writer->store, &part.body.pages)) {
            part.header = (struct channel_header){
                .version = CHANNEL_VERSION, .operation = OPERATION_BACKUP, .id = writer->backup_id};
            writer->backup_sent_ms = clock_steady_ms();
            if (!send_answer(writer, writer->backup, &part))
                drop(writer, writer->backup);
            else if (part.body.pages.complete)
                end_backup(writer, "was sent");
        } else if (copied) {
            return true;
        } else if (store_backup_copy(writer->store) == QUEUE_OK) {
            copied = true;
        } else {
            drop(writer, writer->backup);
        }
    }
    if (is_stalled(writer))
        drop(writer, writer->backup);
    enum store_state state = store_state(writer->store);
    return state != STORE_POISONED && state != STORE_UNSURE;
}

static void handle_event(struct writer *writer, const struct epoll_event *event) {
    struct connection *connection = event->data.ptr;
    if (!connection) {
        accept_all(writer);
        return;
    }
    if (connection->fd >= 0 && event->events & EPOLLOUT)
        send_unsent(writer, connection);
    if (connection->fd >= 0 && event->events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        read_operations(writer, connection);
}

/* How long epoll_wait may wait, in its form. */
static int next_timeout(const struct writer *writer) {
    const struct withheld_answer *first = withheld_first(writer->withheld);
    if ((child_stopping() && !first) || (writer->backup && writer->backup->unsent.length == 0))
        return 0;
    int64_t until = batch_due_ms(writer->batch);
    if (store_checkpoint_due_ms(writer->store) < until)
        until = store_checkpoint_due_ms(writer->store);
    if (first && first->until_ms < until)
        until = first->until_ms;
    return until == INT64_MAX ? -1 : clock_timeout_ms(until);
}

/* The exit code when the store cannot go on. Unsure: the next writer reads from the WAL what was
 * committed. */
static int exit_code_of(const struct store *store) {
    return store_state(store) == STORE_UNSURE ? EXIT_TEMPORARY : EXIT_UNSAFE;
}

/* Runs what is due. Returns the exit code, or -1 to go on. */
static int run_due(struct writer *writer, bool due) {
    bool good = !due || run_batch(writer);
    if (good && !(store_checkpoint(writer->store) && go_on_with_backup(writer))) {
        note_failure(writer);
        good = false;
    }
    return good ? -1 : exit_code_of(writer->store);
}

/* Saves the last of the history before a stop. Returns the exit code. */
static int end_history(struct writer *writer) {
    store_end_history(writer->store);
    note_failure(writer);
    return store_state(writer->store) >= STORE_UNSURE ? exit_code_of(writer->store) : EXIT_OK;
}

/* The steady time for releasing withheld answers. After a pause of this process their time starts
 * again: the peer may have given the database to another server meanwhile, and this process will
 * hear of that in a moment. */
static int64_t note_time(struct writer *writer) {
    int64_t now = clock_steady_ms();
    if (now - writer->noted_ms > WITHHELD_MS + PAUSE_MS)
        withheld_prolong(writer->withheld, now + WITHHELD_MS);
    writer->noted_ms = now;
    return now;
}

/* The loop: waits for operations, reads them, runs them. Ends when told to stop and nothing is left
 * to do. */
static int serve(struct writer *writer) {
    struct epoll_event events[EVENTS_MAX];
    for (;;) {
        child_idle();
        int timeout = next_timeout(writer);
        int count = epoll_pwait(writer->epoll, events, EVENTS_MAX, timeout, child_wait_mask());
        if (count < 0 && errno != EINTR) {
            log_error("epoll: %m");
            return EXIT_TEMPORARY;
        }
        child_busy();
        note_time(writer);
        for (int i = 0; i < count; i++)
            handle_event(writer, &events[i]);
        bool due = batch_due_ms(writer->batch) <= clock_steady_ms();
        int exit_code = run_due(writer, due);
        if (exit_code >= 0)
            return exit_code;
        if (store_is_superseded(writer->store))
            return EXIT_UNSAFE; /* withheld answers are never sent */
        release_withheld(writer, note_time(writer));
        if (store_state(writer->store) >= STORE_UNSURE) {
            note_failure(writer);
            return exit_code_of(writer->store);
        }
        if (!LIST_EMPTY(&writer->gone))
            accept_all(writer); /* there is room now for a process that could not be accepted */
        free_gone(&writer->gone);
        if (count <= 0 && !due && !withheld_first(writer->withheld) && child_stopping())
            return end_history(writer);
    }
}

/* Makes everything but the store. False when memory or descriptors are short. */
static bool set_up(struct writer *writer) {
    /* Edge-triggered: a process that cannot be accepted for want of descriptors would else be tried
     * without end. */
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = NULL};
    LIST_INIT(&writer->connections);
    LIST_INIT(&writer->gone);
    writer->parked = parked_new();
    writer->withheld = withheld_new();
    writer->batch = writer->parked ? batch_new(writer->store, writer->parked) : NULL;
    writer->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (writer->batch && writer->withheld && writer->epoll >= 0 &&
        epoll_ctl(writer->epoll, EPOLL_CTL_ADD, writer->job->listen_fd, &event) == 0)
        return true;
    log_error("cannot set the writer up: %m");
    return false;
}

static void tear_down(struct writer *writer) {
    struct connection *connection;
    while (writer->batch && (connection = LIST_FIRST(&writer->connections)) != NULL)
        drop(writer, connection);
    free_gone(&writer->gone);
    if (writer->batch)
        batch_free(writer->batch);
    if (writer->parked)
        parked_free(writer->parked);
    if (writer->withheld)
        withheld_free(writer->withheld);
    if (writer->epoll >= 0)
        close(writer->epoll);
}

int serve_writer(const struct child_job *job) {
    struct writer writer = {.job = job, .epoll = -1};
    int exit_code;
    if (disk_failed_is_marked(job->conf))
        return EXIT_UNSAFE;
    writer.store = store_open(job->conf, &exit_code);
    if (!writer.store && exit_code == EXIT_UNSAFE)
        disk_failed_mark(job->conf);
    if (!writer.store)
        return exit_code;
    exit_code = EXIT_TEMPORARY;
    if (set_up(&writer)) {
        child_ready();
        exit_code = serve(&writer);
    }
    tear_down(&writer);
    if (!store_close(writer.store)) {
        disk_failed_mark(job->conf);
        exit_code = EXIT_UNSAFE;
    }
    return exit_code;
}
