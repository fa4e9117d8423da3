#include "intake.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "api/api.h"
#include "api/body.h"
#include "api/enqueue.h"
#include "clock.h"
#include "connection.h"
#include "hash/bodies.h"
#include "http/problem.h"
#include "log.h"

enum {
    CONNECTIONS_MAX = 256,
    BODIES = 12, /* that come in or are to be hashed at one time; other requests wait for them */
    EVENTS_MAX = 64,
    LANES_WAIT_US = 1000, /* a whole body waits for others to be hashed with */
    SWEEP_MS = 100,       /* between two looks for what takes too long */
    LOOK_AGAIN_MS = 1000, /* see serve.c */
    READ_MS = 2000,       /* for a request, from its first byte */
    IDLE_MS = 10000,      /* nginx closes after less (keepalive_timeout); */
    LAST_IDLE_MS = 1000   /* at the end it gets this long for it */
};

/* The subject of an epoll event, unless it is the number of a connection. */
static const uint32_t ABOUT_LISTENER = UINT32_MAX;
static const uint32_t ABOUT_ANSWERS = UINT32_MAX - 1;

struct intake {
    struct server *server;
    int listen_fd;
    int epoll_fd;
    bool is_listening;
    bool is_watching; /* the queue's answers */
    bool is_able;     /* to take connections; if not, this process ends */
    bool is_stopping;
    int64_t stop_ms;  /* steady time since when */
    int64_t sweep_ms; /* steady time of the next sweep */
    struct connection connections[CONNECTIONS_MAX];
    uint64_t tickets[CONNECTIONS_MAX]; /* of each that is queued; else 0 */
    int open;                          /* connections */
    int reading;                       /* of these */
    int hashing[BODIES];               /* those that are to be hashed, */
    int hashing_count;
    int64_t hashing_us;     /* steady time since when there are some */
    uint8_t *bodies;        /* BODIES times body_size bytes */
    size_t body_size;       /* bytes */
    uint8_t *spare[BODIES]; /* the free ones */
    int spare_count;
    bool is_behind; /* some idle connections have sent something that was not received, */
    int next;       /* and this one, or one behind it, is the first to be received from */
    struct buffer out;
};

static bool watch(struct intake *intake, int fd, uint32_t events, uint32_t about) {
    struct epoll_event event = {.events = events, .data.u32 = about};
    return epoll_ctl(intake->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0 || errno == EEXIST;
}

/* --- Connections --- */

/* Gives the memory of a connection's body back. */
static void release_body(struct intake *intake, struct connection *connection) {
    struct records *records = &connection->records;
    if (records->body)
        intake->spare[intake->spare_count++] = records->body;
    records->body = NULL;
    records->body_size = 0;
}

static void end_connection(struct intake *intake, struct connection *connection) {
    intake->reading -= connection->state == CONNECTION_READING;
    release_body(intake, connection);
    connection_close(connection);
    if (--intake->open == 0) /* gives the memory of bodies back */
        madvise(intake->bodies, BODIES * intake->body_size, MADV_DONTNEED);
}

/* A request is over: waits for the next one, unless it was the last. */
static void end_request(struct intake *intake, struct connection *connection) {
    intake->reading -= connection->state == CONNECTION_READING;
    release_body(intake, connection);
    connection_turn(connection, CONNECTION_IDLE);
    intake->is_behind |= connection->readable;
    if (connection->closes || connection->hung_up)
        end_connection(intake, connection);
}

/* Whether a connection waits that cannot be taken, as all places are. */
static bool others_wait(const struct intake *intake) {
    struct pollfd listener = {.fd = intake->listen_fd, .events = POLLIN};
    return intake->open == CONNECTIONS_MAX && poll(&listener, 1, 0) > 0;
}

/* Sends the reply in server->reply. A connection is kept only behind a whole body: nginx may send
 * the next request as soon as it has this reply and has handed over the rest of the body. It is not
 * kept from others that wait, or busy ones would keep them out for ever. */
static void reply(struct intake *intake, struct connection *connection) {
    bool last = intake->is_stopping || others_wait(intake);
    bool sent = connection_reply(connection, last, &intake->out);
    server_turn_to(intake->server, NULL);
    if (sent && connection->records.state == RECORDS_WHOLE)
        end_request(intake, connection);
    else
        end_connection(intake, connection);
}

/* --- Requests --- */

/* Checks what a request's head says. False with the reply in place. */
static bool begin(struct connection *connection) {
    struct call *call = &connection->call;
    if (!router_match(call))
        return false;
    if (call->route->handle == api_enqueue)
        return enqueue_begin(call, &connection->item);
    router_misdirected(call);
    return false;
}

static void take_head(struct intake *intake, struct connection *connection) {
    connection->call = (struct call){
        .server = intake->server, .request = &connection->request, .began_us = clock_steady_us()};
}

/* Whether a body is as long as it was announced, and may be. False with the reply in place. */
static bool has_length(struct connection *connection) {
    struct call *call = &connection->call;
    size_t most = (size_t)call->server->conf->body_bytes_max;
    size_t length = connection->records.body_length;
    int64_t announced;
    enum request_body result = request_announced(call->request, most, &announced);
    if (result == REQUEST_BODY_OK && length > most)
        result = REQUEST_BODY_TOO_LARGE;
    else if (result == REQUEST_BODY_OK && (int64_t)length != announced)
        result = REQUEST_BODY_BROKEN;
    if (result != REQUEST_BODY_OK)
        problem_of_body(&call->server->reply, result, most);
    else if (length == 0)
        body_refuse_empty(call, most);
    return result == REQUEST_BODY_OK && length > 0;
}

/* A request is whole: it is refused, or its body is hashed with others. */
static void take_whole(struct intake *intake, struct connection *connection) {
    server_turn_to(intake->server, &connection->request);
    if (!begin(connection) || !has_length(connection)) {
        reply(intake, connection);
        return;
    }
    server_turn_to(intake->server, NULL);
    intake->reading--;
    connection_turn(connection, CONNECTION_HASHING);
    if (intake->hashing_count == 0)
        intake->hashing_us = clock_steady_us();
    intake->hashing[intake->hashing_count++] = (int)(connection - intake->connections);
}

/* Begins a request, if there is memory for its body, and none has waited longer for it. */
static void begin_request(struct intake *intake, struct connection *connection) {
    intake->is_behind |= intake->spare_count == 0;
    if (intake->is_behind)
        return;
    connection_begin(connection, intake->spare[--intake->spare_count], intake->body_size);
    intake->reading++;
}

/* Receives what is there of a request. */
static void receive(struct intake *intake, struct connection *connection) {
    if (connection->state == CONNECTION_IDLE)
        begin_request(intake, connection);
    while (connection->state == CONNECTION_READING) {
        switch (connection_receive(connection)) {
        case CONNECTION_MORE:
            if (!records_begun(&connection->records))
                end_request(intake, connection);
            return;
        case CONNECTION_HEAD:
            take_head(intake, connection);
            break;
        case CONNECTION_WHOLE:
            take_whole(intake, connection);
            break;
        case CONNECTION_GONE:
            end_connection(intake, connection);
            break;
        }
    }
}

/* Takes a connection, one at a time: another process may take the next. */
static void take_connection(struct intake *intake) {
    int number = 0;
    int fd;
    while (number < CONNECTIONS_MAX && intake->connections[number].state != CONNECTION_FREE)
        number++;
    if (number == CONNECTIONS_MAX)
        return;
    enum request_accepted result = request_connection(intake->listen_fd, &fd);
    intake->is_able &= result != REQUEST_EXHAUSTED;
    if (result != REQUEST_ACCEPTED)
        return;
    struct connection *connection = &intake->connections[number];
    *connection = (struct connection){.fd = fd, .readable = true};
    connection_turn(connection, CONNECTION_IDLE);
    intake->open++;
    if (watch(intake, fd, EPOLLIN | EPOLLRDHUP | EPOLLET, (uint32_t)number))
        receive(intake, connection);
    else
        end_connection(intake, connection);
}

/* --- The queue --- */

/* Gives an item to the queue, if its body is the one that was announced. */
static void enqueue(struct intake *intake, struct connection *connection, bool hashed) {
    const struct records *records = &connection->records;
    struct call *call = &connection->call;
    server_turn_to(intake->server, &connection->request);
    if (!hashed)
        body_refuse_failed_hash(call);
    if (!hashed || !body_fits(call, records->body, records->body_length, connection->item.digest)) {
        reply(intake, connection);
        return;
    }
    release_body(intake, connection);
    intake->tickets[connection - intake->connections] =
        queue_start_enqueue(intake->server->queue, &connection->item);
    connection_turn(connection, CONNECTION_QUEUED);
    server_turn_to(intake->server, NULL);
}

/* Whether the whole bodies should wait for more: so that they fill the lanes, and while others come
 * in that may be whole soon. */
static bool should_wait(const struct intake *intake) {
    return intake->hashing_count < bodies_lanes() && intake->reading > 0 &&
           clock_steady_us() - intake->hashing_us < LANES_WAIT_US;
}

static void hash(struct intake *intake) {
    struct body_hash list[BODIES];
    int count = intake->hashing_count;
    for (int i = 0; i < count; i++) {
        struct connection *connection = &intake->connections[intake->hashing[i]];
        list[i] = (struct body_hash){.bytes = connection->records.body,
                                     .length = connection->records.body_length,
                                     .digest = connection->item.digest};
    }
    bool hashed = bodies_hash(list, count);
    intake->hashing_count = 0;
    for (int i = 0; i < count; i++)
        enqueue(intake, &intake->connections[intake->hashing[i]], hashed);
}

/* Delivers an answer of the queue. */
static void deliver(struct intake *intake, const struct queue_answer *answer) {
    int number = 0;
    while (number < CONNECTIONS_MAX && intake->tickets[number] != answer->ticket)
        number++;
    if (number == CONNECTIONS_MAX)
        return;
    struct connection *connection = &intake->connections[number];
    intake->tickets[number] = 0;
    server_turn_to(intake->server, &connection->request);
    enqueue_reply(&connection->call, &connection->item, answer->result, answer->id);
    reply(intake, connection);
}

/* A closed channel leaves epoll by itself. */
static void note_channel(struct intake *intake) {
    intake->is_watching &= queue_descriptor(intake->server->queue) >= 0;
}

static void take_answers(struct intake *intake) {
    struct queue *queue = intake->server->queue;
    struct queue_answer answer;
    bool more = true;
    while (more && queue_next(queue, &answer)) {
        deliver(intake, &answer);
        more = queue_under_way(queue) > 0;
    }
    note_channel(intake);
}

/* --- The loop --- */

/* Whether a connection has been in its state for too long. */
static bool is_late(const struct intake *intake, const struct connection *connection) {
    int64_t age = clock_steady_ms() - connection->since_ms;
    if (connection->state == CONNECTION_IDLE)
        return !connection->readable && age > (intake->is_stopping ? LAST_IDLE_MS : IDLE_MS);
    return connection->state == CONNECTION_READING && age > READ_MS;
}

/* Ends what takes too long. A request that breaks off is told so. */
static void end_late(struct intake *intake, struct connection *connection) {
    if (connection->state == CONNECTION_IDLE || !connection->is_open) {
        end_connection(intake, connection);
        return;
    }
    server_turn_to(intake->server, &connection->request);
    problem_of_body(&intake->server->reply, REQUEST_BODY_BROKEN, intake->body_size);
    reply(intake, connection);
}

/* Looks for what takes too long. It is ended when it still does at the next look: this process may
 * have stood still, and what came meanwhile is received in between. */
static void sweep(struct intake *intake) {
    intake->sweep_ms = clock_steady_ms() + SWEEP_MS;
    for (int i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *connection = &intake->connections[i];
        bool was_late = connection->is_late;
        connection->is_late = is_late(intake, connection);
        if (was_late && connection->is_late)
            end_late(intake, connection);
    }
}

/* Receives from who could not be received from before, for want of memory for its body: from one
 * after the other, whatever the others send meanwhile. */
static void receive_late(struct intake *intake) {
    bool was_behind = intake->is_behind;
    intake->is_behind = false;
    for (int i = 0; i < CONNECTIONS_MAX && was_behind && !intake->is_behind; i++) {
        struct connection *connection = &intake->connections[intake->next];
        if (connection->state == CONNECTION_IDLE && (connection->readable || connection->hung_up))
            receive(intake, connection);
        if (!intake->is_behind)
            intake->next = (intake->next + 1) % CONNECTIONS_MAX;
    }
}

/* Listens while there is room for another connection. */
static void listen_or_not(struct intake *intake) {
    bool wanted = intake->open < CONNECTIONS_MAX && !intake->is_stopping;
    if (wanted && !intake->is_listening)
        intake->is_listening =
            watch(intake, intake->listen_fd, EPOLLIN | EPOLLEXCLUSIVE, ABOUT_LISTENER);
    else if (!wanted && intake->is_listening)
        intake->is_listening =
            epoll_ctl(intake->epoll_fd, EPOLL_CTL_DEL, intake->listen_fd, NULL) != 0;
}

static int wait_for_events(struct intake *intake, struct epoll_event events[EVENTS_MAX]) {
    int queue_fd = queue_descriptor(intake->server->queue);
    int timeout_ms = intake->open > 0 || intake->is_stopping ? SWEEP_MS : LOOK_AGAIN_MS;
    if (queue_fd >= 0 && !intake->is_watching)
        intake->is_watching = watch(intake, queue_fd, EPOLLIN, ABOUT_ANSWERS);
    if (intake->hashing_count > 0)
        timeout_ms = should_wait(intake) ? LANES_WAIT_US / 1000 : 0;
    if (intake->is_behind && intake->spare_count > 0)
        timeout_ms = 0;
    listen_or_not(intake);
    int count = epoll_pwait(intake->epoll_fd, events, EVENTS_MAX, timeout_ms, child_wait_mask());
    return count < 0 ? 0 : count;
}

/* Handles what has come. */
static void handle(struct intake *intake, const struct epoll_event *events, int count) {
    bool answers = false;
    bool incoming = count == 0; /* another process may have been woken, and cannot take it */
    for (int i = 0; i < count; i++) {
        uint32_t about = events[i].data.u32;
        if (about == ABOUT_LISTENER || about == ABOUT_ANSWERS) {
            incoming |= about == ABOUT_LISTENER;
            answers |= about == ABOUT_ANSWERS;
            continue;
        }
        struct connection *connection = &intake->connections[about];
        connection->readable = true;
        connection->hung_up |= (events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
        receive(intake, connection);
    }
    if (answers)
        take_answers(intake);
    /* At last: a new connection must not meet an event of one before it. */
    if (incoming && intake->is_listening)
        take_connection(intake);
}

/* Whether all is done after a stop, or it has lasted too long. */
static bool is_over(struct intake *intake) {
    int64_t now = clock_steady_ms();
    if (!intake->is_stopping && (child_stopping() || !intake->is_able)) {
        intake->is_stopping = true;
        intake->stop_ms = now;
    }
    int64_t most = intake->server->conf->operation_seconds * 1000 + LAST_IDLE_MS;
    return intake->is_stopping && (intake->open == 0 || now - intake->stop_ms > most);
}

static int serve_all(struct intake *intake) {
    struct queue *queue = intake->server->queue;
    struct epoll_event events[EVENTS_MAX];
    intake->is_able = true;
    while (!is_over(intake)) {
        int count = wait_for_events(intake, events);
        child_busy();
        handle(intake, events, count);
        if (intake->hashing_count > 0 && !should_wait(intake))
            hash(intake);
        receive_late(intake);
        queue_flush(queue);
        note_channel(intake);
        if (clock_steady_ms() >= intake->sweep_ms) {
            sweep(intake);
            take_answers(intake);
        }
        if (queue_descriptor(queue) < 0)
            take_answers(intake);
        child_idle();
    }
    return intake->is_able ? EXIT_OK : EXIT_TEMPORARY;
}

/* Prepares everything. intake_close frees it, also after a failure. */
static bool open_intake(struct intake *intake, const struct child_job *job,
                        const struct route *routes) {
    intake->listen_fd = job->listen_fd;
    intake->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    intake->body_size = (size_t)job->conf->body_bytes_max;
    void *bodies = mmap(NULL, BODIES * intake->body_size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    intake->bodies = bodies == MAP_FAILED ? NULL : bodies;
    intake->server = server_open(job, routes);
    if (intake->epoll_fd < 0 || !intake->bodies || !intake->server) {
        log_error("the process for enqueues cannot start: %m");
        return false;
    }
    for (int i = 0; i < BODIES; i++)
        intake->spare[intake->spare_count++] = intake->bodies + (size_t)i * intake->body_size;
    request_use_memory(&intake->out, true);
    bodies_setup();
    return true;
}

static void close_intake(struct intake *intake) {
    for (int i = 0; i < CONNECTIONS_MAX; i++) {
        if (intake->connections[i].state != CONNECTION_FREE)
            end_connection(intake, &intake->connections[i]);
    }
    server_close(intake->server);
    if (intake->epoll_fd >= 0)
        close(intake->epoll_fd);
    if (intake->bodies)
        munmap(intake->bodies, BODIES * intake->body_size);
    buffer_free(&intake->out);
    free(intake);
}

int serve_intake(const struct child_job *job, const struct route *routes) {
    struct intake *intake = calloc(1, sizeof *intake);
    int exit_code = EXIT_TEMPORARY;
    if (!intake)
        return EXIT_TEMPORARY;
    if (open_intake(intake, job, routes)) {
        child_ready();
        exit_code = serve_all(intake);
    }
    close_intake(intake);
    if (exit_code == EXIT_TEMPORARY)
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    return exit_code;
}
