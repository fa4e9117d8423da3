/* The process that talks to the other nodes: an event loop over the requests to them, the questions
 * of the other processes and the queue's changes. */

#include "peering.h"
#include "peering_parts.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"

enum {
    LOOK_MS = 200,      /* how often it is read what is known of the peers */
    AWAY_POLL_MS = 100, /* how often an engine that is away is tried */
    DRAIN_MS = 2000,    /* what is under way may take so long when it is time to stop */
    NICE = 5            /* what clients and workers send goes first */
};

bool peering_look(struct peering *peering) {
    static struct queue_peers peers; /* too large for the stack */
    if (queue_peers(peering->queue, &peers) != QUEUE_OK)
        return false;
    peering->peers = peers;
    peering->known = true;
    for (int i = 0; i < peers.count; i++) {
        for (int j = 0; j < peering->link_count; j++) {
            struct link *link = &peering->links[j];
            if (link->peer->node != peers.peers[i].node)
                continue;
            link->away = peers.peers[i].away != 0;
            link->restored = peers.peers[i].restored != 0;
        }
    }
    return true;
}

bool peering_is_away(const struct link *link) {
    return link->away || clock_steady_ms() - link->heard_ms >= PEER_AWAY_MS;
}

/* Watches a descriptor; one that is watched already is left alone. */
static bool watch(struct peering *peering, int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    return epoll_ctl(peering->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0 || errno == EEXIST;
}

/* Does what it is time for. */
static void turn(struct peering *peering) {
    if (peering->next_look_ms <= clock_steady_ms()) {
        peering_look(peering);
        peering->next_look_ms = clock_steady_ms() + LOOK_MS;
    }
    peering_asks_turn(peering);
    if (!peering->stopping)
        peering_hello_turn(peering);
    peering_copies_turn(peering);
    peering_restored_turn(peering);
    peering_transfers_turn(peering);
}

/* Waits until something happens. Replies of peers are taken here. */
static void wait_for_events(struct peering *peering) {
    struct http_watch events = {.fd = peering->epoll_fd};
    int64_t gather_ms = peering->copying.gather_until_ms;
    bool gathers = gather_ms > clock_steady_ms() && gather_ms < peering->next_look_ms;
    int timeout_ms = clock_timeout_ms(gathers ? gather_ms : peering->next_look_ms);
    int queue_fd = queue_descriptor(peering->watch);
    bool watched = queue_fd >= 0 && watch(peering, queue_fd);
    if ((!watched || queue_is_behind(peering->watch)) && timeout_ms > AWAY_POLL_MS)
        timeout_ms = AWAY_POLL_MS;
    http_wait(peering->http, &events, 1, timeout_ms);
}

/* Whether something is under way that a stop waits for. */
static bool is_busy(const struct peering *peering) {
    return peering_transfers_busy(peering) || !TAILQ_EMPTY(&peering->questions);
}

static void serve(struct peering *peering) {
    int64_t until_ms = INT64_MAX;
    do {
        child_idle();
        wait_for_events(peering);
        child_busy();
        if (!peering->stopping && child_stopping()) {
            peering->stopping = true;
            until_ms = clock_steady_ms() + DRAIN_MS;
            close(peering->signal_fd);
            peering->signal_fd = -1;
        }
        turn(peering);
    } while (!peering->stopping || (is_busy(peering) && clock_steady_ms() < until_ms));
}

static void make_links(struct peering *peering) {
    peering->link_count = peering->conf->peer_count;
    for (int i = 0; i < peering->link_count; i++) {
        struct link *link = &peering->links[i];
        link->peering = peering;
        link->peer = &peering->conf->peers[i];
        link->bit = 1U << i;
        link->away = true;
        link->heard_ms = clock_steady_ms();
        link->saved_unread = true;
    }
}

/* Opens what the loop needs; what was opened is closed by tear_down, also after a failure. */
static bool set_up(struct peering *peering, const struct child_job *job) {
    struct http_tls tls = conf_tls(job->conf);
    sigset_t term;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    peering->conf = job->conf;
    peering->listen_fd = job->listen_fd;
    LIST_INIT(&peering->askers);
    LIST_INIT(&peering->gone);
    TAILQ_INIT(&peering->questions);
    TAILQ_INIT(&peering->ended);
    make_links(peering);
    peering->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    peering->signal_fd = signalfd(-1, &term, SFD_CLOEXEC | SFD_NONBLOCK); /* it is never read */
    peering->queue = queue_open(job->conf, job->channel);
    peering->watch = queue_open(job->conf, job->channel);
    peering->http = http_open(&tls);
    return peering->epoll_fd >= 0 && peering->signal_fd >= 0 && peering->queue && peering->watch &&
           peering->http && watch(peering, peering->listen_fd) &&
           watch(peering, peering->signal_fd);
}

static void tear_down(struct peering *peering) {
    if (peering->http) {
        peering_asks_close(peering);
        http_close(peering->http);
    }
    if (peering->queue)
        queue_close(peering->queue);
    if (peering->watch)
        queue_close(peering->watch);
    if (peering->signal_fd >= 0)
        close(peering->signal_fd);
    if (peering->epoll_fd >= 0)
        close(peering->epoll_fd);
    json_free(&peering->json);
    buffer_free(&peering->body);
    free(peering);
}

int serve_peering(const struct child_job *job) {
    struct peering *peering = calloc(1, sizeof *peering);
    if (!peering) {
        log_error("the peering process cannot start for want of memory; give this machine more");
        return CHILD_TEMPORARY;
    }
    bool good = set_up(peering, job);
    if (good) {
        if (nice(NICE) == -1)
            log_debug("nice: %m"); /* it works all the same */
        child_ready();
        serve(peering);
    } else {
        log_error("the peering process cannot start: %m");
    }
    tear_down(peering);
    return good ? CHILD_DRAINED : CHILD_TEMPORARY;
}
