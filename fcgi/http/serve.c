/* A process that serves short requests, one at a time. */

#include "serve.h"

#include <errno.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"

/* The kernel may wake a process that cannot take the connection just then (it is stopped); another
 * process looks again after this time. */
enum { LOOK_AGAIN_MS = 1000 };

static const struct patience patience = {.receive_ms = 2000, .send_ms = 10000};

/* An epoll descriptor for the listening socket, which the whole pool shares: with EPOLLEXCLUSIVE
 * the kernel wakes one sleeper for a connection rather than all. -1 on failure. */
static int watch(int listen_fd) {
    struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE};
    int fd = epoll_create1(EPOLL_CLOEXEC);
    if (fd >= 0 && epoll_ctl(fd, EPOLL_CTL_ADD, listen_fd, &event) == 0)
        return fd;
    log_error("the listening socket cannot be watched: %m");
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Serves an open request and finishes it. */
static void serve(struct server *server, struct request *request) {
    struct call call = {.server = server, .request = request, .began_us = clock_steady_us()};
    server_turn_to(server, request);
    if (router_match(&call)) {
        if (call.route->handle)
            call.route->handle(&call);
        else
            router_misdirected(&call);
    }
    if (!call_finish(&call))
        log_debug("a client went away before its reply");
    server_turn_to(server, NULL);
}

/* Serves until told to stop. SIGTERM arrives only during the wait, so the request in hand is always
 * finished. */
static int serve_all(struct server *server, int listen_fd, int epoll_fd) {
    struct request request;
    while (!child_stopping()) {
        struct epoll_event event;
        if (epoll_pwait(epoll_fd, &event, 1, LOOK_AGAIN_MS, child_wait_mask()) < 0) {
            if (errno == EINTR)
                continue;
            log_error("the listening socket cannot be waited for: %m");
            return EXIT_TEMPORARY;
        }
        child_busy();
        enum request_accepted accepted = request_accept(&request, listen_fd, patience);
        if (accepted == REQUEST_ACCEPTED)
            serve(server, &request);
        child_idle();
        if (accepted == REQUEST_EXHAUSTED) {
            nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
            return EXIT_TEMPORARY;
        }
    }
    return EXIT_OK;
}

int serve_requests(const struct child_job *job, const struct route *routes,
                   struct replica *replica) {
    struct server *server = server_open(job, routes);
    int epoll_fd = watch(job->listen_fd);
    int exit_code = EXIT_TEMPORARY;
    if (server && epoll_fd >= 0) {
        server->replica = replica;
        child_ready();
        exit_code = serve_all(server, job->listen_fd, epoll_fd);
    }
    if (epoll_fd >= 0)
        close(epoll_fd);
    server_close(server);
    return exit_code;
}
