/* The process that talks to the other node: an event loop over the requests to it, the forwards for
 * other processes and the queue's batches. */

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
    LOOK_MS = 200,      /* how often the queue's knowledge of the peer is read */
    PAUSE_MS = 1500,    /* a turn of the loop never takes this long */
    AWAY_POLL_MS = 100, /* how often an absent engine is tried */
    DRAIN_MS = 2000,    /* how long a stop waits for requests under way */
    NICE = 5            /* clients' and workers' requests go first */
};

/* After a pause of this process or its machine the peer's time starts again: nobody has listened
 * meanwhile. */
static void note_pause(struct peering *peering) {
    int64_t now = clock_steady_ms();
    if (now - peering->turn_ms >= PAUSE_MS) {
        peering->heard_ms = now;
        peering->hello.next_ms = 0; /* the peer may know that this node was replaced */
    }
    peering->turn_ms = now;
}

/* Watches a descriptor, unless it is watched already. */
static bool watch(struct peering *peering, int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    return epoll_ctl(peering->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0 || errno == EEXIST;
}

/* Counts the peer's hello, which another process has taken, as contact. */
static void listen_to_queue(struct peering *peering) {
    struct queue_tally tally;
    child_busy();
    if (queue_tally(peering->queue, &queue_everybodys, &tally) != QUEUE_OK ||
        tally.copying.heard_ms < 0)
        return;
    int64_t heard_ms = clock_steady_ms() - tally.copying.heard_ms;
    if (heard_ms > peering->heard_ms)
        peering->heard_ms = heard_ms;
}

/* Does all that is due. */
static void turn(struct peering *peering) {
    if (peering->next_look_ms <= clock_steady_ms()) {
        peering_look(peering);
        if (peering_is_away(peering))
            listen_to_queue(peering);
        peering->next_look_ms = clock_steady_ms() + LOOK_MS;
    }
    peering_connections_turn(peering);
    peering_hello_turn(peering);
    peering_stream_turn(peering);
    peering_unfed_turn(peering);
    peering_pulls_turn(peering);
}

/* Waits for events. Replies of the peer are handled here. */
static void wait_for_events(struct peering *peering) {
    struct http_watch events = {.fd = peering->epoll_fd};
    int64_t gather_ms = peering->stream.gather_until_ms;
    bool gathers = gather_ms > clock_steady_ms() && gather_ms < peering->next_look_ms;
    int timeout_ms = clock_timeout_ms(gathers ? gather_ms : peering->next_look_ms);
    int queue_fd = queue_descriptor(peering->watch);
    bool watched = queue_fd >= 0 && watch(peering, queue_fd);
    if ((!watched || queue_is_behind(peering->watch)) && timeout_ms > AWAY_POLL_MS)
        timeout_ms = AWAY_POLL_MS;
    http_wait(peering->http, &events, 1, timeout_ms);
}

/* Whether a stop must wait for something under way. */
static bool is_busy(const struct peering *peering) {
    return !TAILQ_EMPTY(&peering->forwards);
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
        note_pause(peering);
        turn(peering);
        if (peering->superseded) {
            peering_stream_go(peering, STREAM_QUERY, COPY_SUPERSEDED);
            return;
        }
    } while (!peering->stopping || (is_busy(peering) && clock_steady_ms() < until_ms));
}

/* Opens what the loop needs. tear_down closes it, also after a failure. */
static bool set_up(struct peering *peering, const struct child_job *job) {
    struct http_tls tls = conf_tls(job->conf);
    sigset_t term;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    peering->conf = job->conf;
    peering->listen_fd = job->listen_fd;
    LIST_INIT(&peering->connections);
    LIST_INIT(&peering->gone);
    TAILQ_INIT(&peering->forwards);
    TAILQ_INIT(&peering->ended);
    peering->heard_ms = clock_steady_ms();
    peering->turn_ms = peering->heard_ms;
    peering->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    peering->signal_fd = signalfd(-1, &term, SFD_CLOEXEC | SFD_NONBLOCK); /* it is never read */
    peering->queue = queue_open(job->conf, job->channel);
    peering->watch = queue_open(job->conf, job->channel);
    peering->http = http_open(&tls);
    peering->stream.reader = batch_reader_open(job->conf->database);
    peering->copy.queue = queue_open(job->conf, job->channel);
    return peering->epoll_fd >= 0 && peering->signal_fd >= 0 && peering->queue && peering->watch &&
           peering->copy.queue && peering->stream.reader && peering->http &&
           watch(peering, peering->listen_fd) && watch(peering, peering->signal_fd);
}

static void tear_down(struct peering *peering) {
    if (peering->http) {
        peering_connections_close(peering);
        http_close(peering->http);
    }
    peering_copy_end(peering);
    if (peering->copy.queue)
        queue_close(peering->copy.queue);
    if (peering->stream.reader)
        batch_reader_close(peering->stream.reader);
    buffer_free(&peering->stream.records);
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
        return EXIT_TEMPORARY;
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
    int exit_code = !good ? EXIT_TEMPORARY : peering->superseded ? EXIT_UNSAFE : EXIT_OK;
    tear_down(peering);
    return exit_code;
}
