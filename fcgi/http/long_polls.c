/* A process for long polls: an event loop over the listening socket, the queue's answers and the
 * clients of the parked requests. */

#include "serve.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"

/* Reading or writing one peer holds up all others, so none gets long. */
static const struct patience patience = {.receive_ms = 200, .send_ms = 1000};

enum {
    EVENTS_MAX = 64,    /* taken in one wake */
    ACCEPTS_MAX = 16,   /* in one wake, so that answers need not wait long */
    AWAY_POLL_MS = 100, /* how often an absent engine, or unsent requests, are tried */
    SETTLE_MS = 1000,   /* at the end, for the queue's last answers */
    SETTLE_POLL_MS = 50,
    PARKED_MAX = 8,   /* leases of one key or machine; of WORKER_TOKEN, and for one client, half
                         of all slots */
    EXTRA_SLOTS = 16, /* for requests that do not wait while all slots are taken */
    SPARE_DESCRIPTORS = 64 /* besides those of the parked requests */
};

/* The subject of an epoll event, unless it is the slot of a parked request. */
static const uint32_t ABOUT_LISTENER = UINT32_MAX;
static const uint32_t ABOUT_ANSWERS = UINT32_MAX - 1; /* of the queue or of peers */

/* An open request. */
struct long_poll {
    struct request request;
    struct call call;
};

struct loop {
    struct server *server;
    int listen_fd;
    int epoll_fd;
    int slots;               /* how many requests may be parked */
    int parked;              /* how many are */
    struct long_poll *polls; /* slots and EXTRA_SLOTS more */
    uint64_t *tickets;       /* the ticket of each; 0: free */
};

/* The slot with this ticket; the first free one for 0. -1 when there is none. */
static int find(const struct loop *loop, uint64_t ticket) {
    for (int slot = 0; slot < loop->slots + EXTRA_SLOTS; slot++) {
        if (loop->tickets[slot] == ticket)
            return slot;
    }
    return -1;
}

/* Gives up a ticket of the queue or of the peer client. */
static void forget_ticket(struct loop *loop, uint64_t ticket) {
    if (peer_client_is_ticket(ticket))
        peer_client_forget(loop->server->peer_client, ticket);
    else
        queue_forget(loop->server->queue, ticket);
}

/* Watches a descriptor. A closed one leaves epoll by itself, and its number may be reused. */
static bool watch(struct loop *loop, int fd, uint32_t events, uint32_t about) {
    struct epoll_event event = {.events = events, .data.u32 = about};
    return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0 || errno == EEXIST;
}

static void finish(struct long_poll *waiting) {
    if (!call_finish(&waiting->call))
        log_debug("a client went away before its reply");
}

static void unpark(struct loop *loop, int slot) {
    loop->tickets[slot] = 0;
    loop->parked--;
}

/* Answers a parked request before its ticket is answered. */
static void cut_short(struct loop *loop, int slot) {
    struct long_poll *waiting = &loop->polls[slot];
    server_turn_to(loop->server, &waiting->request);
    forget_ticket(loop, loop->tickets[slot]);
    waiting->call.route->long_poll->cut_short(&waiting->call);
    finish(waiting);
    server_turn_to(loop->server, NULL);
    unpark(loop, slot);
}

/* Parks a request until its ticket is answered or its client goes away. */
static void park(struct loop *loop, int slot, uint64_t ticket) {
    loop->tickets[slot] = ticket;
    loop->parked++;
    if (!watch(loop, request_descriptor(&loop->polls[slot].request), EPOLLRDHUP, (uint32_t)slot)) {
        log_warn("a client cannot be watched, so its wait is cut short: %m");
        cut_short(loop, slot);
    }
}

/* Whether one more request of this identity may be parked: none shuts the others out. */
static bool may_park(const struct loop *loop, const struct identity *identity) {
    bool many = identity->kind == IDENTITY_SHARED || !auth_is_worker(identity);
    int most = many ? (loop->slots + 1) / 2 : PARKED_MAX;
    int parked = 0;
    if (identity->kind == IDENTITY_OPEN || identity->kind == IDENTITY_PEER)
        return loop->parked < loop->slots;
    for (int slot = 0; slot < loop->slots + EXTRA_SLOTS; slot++) {
        const struct identity *other = &loop->polls[slot].call.identity;
        parked += loop->tickets[slot] != 0 && other->kind == identity->kind &&
                  strcmp(other->name, identity->name) == 0;
    }
    return loop->parked < loop->slots && parked < most;
}

/* Begins a request: answers or parks it. */
static void begin(struct loop *loop, int slot) {
    struct long_poll *waiting = &loop->polls[slot];
    struct call *call = &waiting->call;
    uint64_t ticket = 0;
    *call = (struct call){
        .server = loop->server, .request = &waiting->request, .began_us = clock_steady_us()};
    server_turn_to(loop->server, call->request);
    if (router_match(call)) {
        call->may_park = may_park(loop, &call->identity);
        if (call->route->long_poll)
            ticket = call->route->long_poll->start(call);
        else
            router_misdirected(call);
    }
    if (ticket != 0)
        park(loop, slot, ticket);
    else
        finish(waiting);
    server_turn_to(loop->server, NULL);
}

/* Takes the incoming requests. False when this process lacks memory or descriptors for more. */
static bool take_requests(struct loop *loop) {
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        int slot = find(loop, 0);
        if (slot < 0)
            return true; /* one is free again in a moment: the extra ones are not waited in */
        switch (request_accept(&loop->polls[slot].request, loop->listen_fd, patience)) {
        case REQUEST_ACCEPTED:
            begin(loop, slot);
            break;
        case REQUEST_NONE:
            return true;
        case REQUEST_EXHAUSTED:
            return false;
        }
    }
    return true;
}

/* Drops a parked request whose client has gone. */
static void forget(struct loop *loop, int slot) {
    forget_ticket(loop, loop->tickets[slot]);
    request_drop(&loop->polls[slot].request);
    unpark(loop, slot);
}

/* Delivers an answer to its client, or takes back its effect when the client has gone; unless the
 * call waits for another ticket now. */
static void deliver(struct loop *loop, int slot, const struct queue_answer *answer) {
    struct long_poll *waiting = &loop->polls[slot];
    const struct long_poll_verbs *verbs = waiting->call.route->long_poll;
    bool effective = answer->result == QUEUE_OK && verbs->take_back;
    bool delivered = false;
    uint64_t ticket = verbs->finish(&waiting->call, answer);
    if (ticket != 0) {
        loop->tickets[slot] = ticket;
        return;
    }
    if (request_is_gone(&waiting->request)) {
        request_drop(&waiting->request);
    } else {
        delivered = call_finish(&waiting->call);
    }
    if (effective && !delivered)
        verbs->take_back(&waiting->call);
    unpark(loop, slot);
}

/* The next answer of the queue or of the peer. */
static bool next_answer(struct loop *loop, struct queue_answer *answer) {
    return queue_next(loop->server->queue, answer) ||
           (loop->server->peer_client && peer_client_next(loop->server->peer_client, answer));
}

static void take_answers(struct loop *loop) {
    struct queue_answer answer;
    while (next_answer(loop, &answer)) {
        int slot = answer.ticket != 0 ? find(loop, answer.ticket) : -1;
        if (slot < 0)
            continue;
        server_turn_to(loop->server, &loop->polls[slot].request);
        deliver(loop, slot, &answer);
        server_turn_to(loop->server, NULL);
    }
}

/* Drops the requests of clients that went away. True when new requests have come. Slots freed here
 * are reused only after the last of these events. */
static bool look_at(struct loop *loop, const struct epoll_event *events, int count) {
    bool incoming = false;
    for (int i = 0; i < count; i++) {
        uint32_t about = events[i].data.u32;
        if (about == ABOUT_LISTENER)
            incoming = true;
        else if (about != ABOUT_ANSWERS)
            forget(loop, (int)about);
    }
    return incoming;
}

/* Watches for the peer's answers. Returns the longest sleep that they allow. */
static int watch_peer_client(struct loop *loop) {
    const struct peer_client *client = loop->server->peer_client;
    if (!client)
        return -1;
    int64_t due_ms = peer_client_due_ms(client);
    if (peer_client_descriptor(client) >= 0 &&
        !watch(loop, peer_client_descriptor(client), EPOLLIN, ABOUT_ANSWERS))
        return AWAY_POLL_MS;
    return due_ms == INT64_MAX ? -1 : clock_timeout_ms(due_ms);
}

/* Waits for events. Returns their number, 0 also after a signal. */
static int wait_for_events(struct loop *loop, struct epoll_event events[EVENTS_MAX]) {
    int queue_fd = queue_descriptor(loop->server->queue);
    bool watched = queue_fd >= 0 && watch(loop, queue_fd, EPOLLIN, ABOUT_ANSWERS);
    bool behind = !watched || queue_is_behind(loop->server->queue);
    int timeout_ms = watch_peer_client(loop);
    if (behind && loop->parked > 0 && (timeout_ms < 0 || timeout_ms > AWAY_POLL_MS))
        timeout_ms = AWAY_POLL_MS;
    int count = epoll_pwait(loop->epoll_fd, events, EVENTS_MAX, timeout_ms, child_wait_mask());
    return count < 0 ? 0 : count;
}

/* Serves until told to stop or unable to go on. Returns the exit code. */
static int serve_all(struct loop *loop) {
    struct epoll_event events[EVENTS_MAX];
    bool able = true;
    while (able && !child_stopping()) {
        int count = wait_for_events(loop, events);
        child_busy();
        bool incoming = look_at(loop, events, count);
        take_answers(loop);
        if (incoming) {
            able = take_requests(loop);
            take_answers(loop);
        }
        child_idle();
    }
    return able ? EXIT_OK : EXIT_TEMPORARY;
}

/* Waits a little for the queue's last answers, to give back leases that were granted just before
 * their requests were cut short. */
static void settle(struct loop *loop) {
    struct queue *queue = loop->server->queue;
    struct queue_answer ignored;
    int64_t until_ms = clock_steady_ms() + SETTLE_MS;
    while (queue_under_way(queue) > 0 && clock_steady_ms() < until_ms) {
        struct pollfd answer = {.fd = queue_descriptor(queue), .events = POLLIN};
        if (poll(&answer, 1, SETTLE_POLL_MS) < 0 && errno != EINTR)
            return;
        while (queue_next(queue, &ignored))
            continue;
    }
}

/* Answers all parked requests. */
static void drain(struct loop *loop) {
    for (int slot = 0; slot < loop->slots + EXTRA_SLOTS; slot++) {
        child_busy();
        if (loop->tickets[slot] != 0)
            cut_short(loop, slot);
    }
    settle(loop);
    child_idle();
}

/* How many requests may be parked: as many as `wanted`, if the process may open that many
 * descriptors. */
static int usable_slots(int64_t wanted) {
    struct rlimit limit;
    rlim_t needed = (rlim_t)wanted + SPARE_DESCRIPTORS;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed)
        return (int)wanted;
    limit.rlim_cur = limit.rlim_max < needed ? limit.rlim_max : needed;
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur == needed)
        return (int)wanted;
    int slots = limit.rlim_cur > SPARE_DESCRIPTORS ? (int)limit.rlim_cur - SPARE_DESCRIPTORS : 1;
    log_warn("only %d of %lld long polls can be held; raise the limit on open files", slots,
             (long long)wanted);
    return slots;
}

/* Prepares the loop. loop_close frees everything, also after a failure. */
static bool loop_open(struct loop *loop, const struct child_job *job, const struct route *routes) {
    const struct conf *conf = job->conf;
    loop->listen_fd = job->listen_fd;
    loop->slots = usable_slots(job->listener == LISTENER_PUBLIC ? conf->wait_slots_public
                                                                : conf->wait_slots_worker);
    loop->polls = calloc((size_t)loop->slots + EXTRA_SLOTS, sizeof *loop->polls);
    loop->tickets = calloc((size_t)loop->slots + EXTRA_SLOTS, sizeof *loop->tickets);
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->server = server_open(job, routes);
    if (!loop->polls || !loop->tickets || loop->epoll_fd < 0 || !loop->server ||
        !watch(loop, loop->listen_fd, EPOLLIN, ABOUT_LISTENER)) {
        log_error("the process for long polls cannot start: %m");
        return false;
    }
    return true;
}

static void loop_close(struct loop *loop) {
    server_close(loop->server);
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    free(loop->polls);
    free(loop->tickets);
}

int serve_long_polls(const struct child_job *job, const struct route *routes) {
    struct loop loop = {.epoll_fd = -1};
    int exit_code = EXIT_TEMPORARY;
    if (loop_open(&loop, job, routes)) {
        child_ready();
        exit_code = serve_all(&loop);
        drain(&loop);
    }
    loop_close(&loop);
    if (exit_code == EXIT_TEMPORARY)
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    return exit_code;
}
