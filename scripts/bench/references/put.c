/*
 * Puts one body over and over into beanstalkd or Redis, by the protocol of each: what put.lua is
 * for HTTP. Each connection sends the body as a job, waits for the answer and sends the next. Ends
 * after SECONDS or COUNT answers, whichever comes first, and prints one line of JSON about them, as
 * put.lua does. Exits with 1 when something else is answered than that the job was taken.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_SIZE = 256, EVENTS_MAX = 64, READ_SIZE = 65536 };

/* What comes before the body's length, and how the answer to a job that was taken begins. Both end
 * lines, and bodies, by \r\n; beanstalkd's numbers are priority, delay and seconds to run. */
static const struct protocol {
    const char *name, *before, *taken;
} protocols[] = {{"beanstalkd", "put 0 0 60 ", "INSERTED "},
                 {"Redis", "*3\r\n$5\r\nRPUSH\r\n$4\r\njobs\r\n$", ":"}};

struct connection {
    int fd;
    size_t sent;              /* bytes of the job */
    char answer[ANSWER_SIZE]; /* to it, as far as it has come */
    size_t got;
    int64_t began_ns;
};

struct load {
    const struct protocol *protocol;
    char *job; /* as it is sent */
    size_t job_size;
    struct connection *connections;
    int count;
    double *took_ms; /* of each that was answered */
    int64_t answered, most;
};

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Ends the program unless the system did what it was asked for. */
static void check(bool done, const char *what) {
    if (done)
        return;
    fprintf(stderr, "bench-put: %s: %s\n", what, errno ? strerror(errno) : "closed");
    exit(EXIT_FAILURE);
}

static void make_job(struct load *load, const char *path) {
    char *body = NULL, bytes[READ_SIZE];
    size_t size = 0, got;
    FILE *file = fopen(path, "rb");
    check(file, path);
    FILE *whole = open_memstream(&body, &size);
    while ((got = fread(bytes, 1, sizeof bytes, file)) > 0)
        fwrite(bytes, 1, got, whole);
    check(!ferror(file) && fclose(whole) == 0, path);
    FILE *job = open_memstream(&load->job, &load->job_size);
    fprintf(job, "%s%zu\r\n", load->protocol->before, size);
    fwrite(body, 1, size, job);
    fputs("\r\n", job);
    check(fclose(job) == 0, path);
    free(body);
    fclose(file);
}

static void begin_job(struct connection *connection) {
    connection->sent = connection->got = 0;
    connection->began_ns = now_ns();
}

/* Notes the answer and begins the next job, once the answer has come to its end. */
static void take_answer(struct load *load, struct connection *connection) {
    const char *taken = load->protocol->taken;
    if (connection->answer[connection->got - 1] != '\n' && connection->got < ANSWER_SIZE)
        return;
    if (strncmp(connection->answer, taken, strlen(taken)) != 0) {
        fprintf(stderr, "bench-put: %.*s\n", (int)connection->got, connection->answer);
        exit(EXIT_FAILURE);
    }
    load->took_ms[load->answered++] = (double)(now_ns() - connection->began_ns) / 1e6;
    begin_job(connection);
}

/* Sends and receives until the other side must do something first. */
static void advance(struct load *load, struct connection *connection) {
    while (load->answered < load->most) {
        bool sends = connection->sent < load->job_size;
        errno = 0;
        ssize_t moved = sends ? send(connection->fd, load->job + connection->sent,
                                     load->job_size - connection->sent, MSG_NOSIGNAL)
                              : recv(connection->fd, connection->answer + connection->got,
                                     ANSWER_SIZE - connection->got, 0);
        if (moved < 0 && errno == EAGAIN)
            return;
        check(moved > 0, "connection");
        *(sends ? &connection->sent : &connection->got) += (size_t)moved;
        if (!sends)
            take_answer(load, connection);
    }
}

/* Events tell of a change only, so that a connection is waited for in one way, whatever it does. */
static int connect_all(struct load *load, uint16_t port) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(port),
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    int poll = epoll_create1(0);
    for (int i = 0; i < load->count; i++) {
        struct connection *connection = &load->connections[i];
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = connection};
        int fd = connection->fd = socket(AF_INET, SOCK_STREAM, 0);
        check(connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
                  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)) == 0 &&
                  fcntl(fd, F_SETFL, O_NONBLOCK) == 0 &&
                  epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event) == 0,
              "connection");
    }
    return poll;
}

/* Returns the seconds that it took. */
static double run(struct load *load, int poll, int64_t limit_ns) {
    struct epoll_event events[EVENTS_MAX];
    int64_t start_ns = now_ns(), spent_ns;
    for (int i = 0; i < load->count; i++)
        begin_job(&load->connections[i]);
    while ((spent_ns = now_ns() - start_ns) < limit_ns && load->answered < load->most) {
        int count =
            epoll_wait(poll, events, EVENTS_MAX, (int)((limit_ns - spent_ns) / 1000000) + 1);
        check(count >= 0 || errno == EINTR, "epoll_wait");
        for (int i = 0; i < count; i++)
            advance(load, events[i].data.ptr);
    }
    return (double)spent_ns / 1e9;
}

static int by_size(const void *one, const void *other) {
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

static void print(struct load *load, double seconds) {
    int64_t count = load->answered;
    if (count == 0) {
        fprintf(stderr, "bench-put: no answer in %.1f s\n", seconds);
        exit(EXIT_FAILURE);
    }
    qsort(load->took_ms, (size_t)count, sizeof *load->took_ms, by_size);
    printf("{\"requests\":%lld,\"seconds\":%.6f,\"p50_ms\":%.4f,\"p99_ms\":%.4f,\"max_ms\":%.4f}\n",
           (long long)count, seconds, load->took_ms[count / 2], load->took_ms[count * 99 / 100],
           load->took_ms[count - 1]);
}

int main(int argc, char **argv) {
    struct load load = {0};
    for (size_t i = 0; argc == 7 && i < sizeof protocols / sizeof *protocols; i++)
        if (strcmp(argv[1], protocols[i].name) == 0)
            load.protocol = &protocols[i];
    if (!load.protocol) {
        fprintf(stderr, "usage: bench-put beanstalkd|Redis PORT BODY CLIENTS SECONDS COUNT\n");
        return EXIT_FAILURE;
    }
    make_job(&load, argv[3]);
    load.count = (int)strtol(argv[4], NULL, 10);
    load.most = strtol(argv[6], NULL, 10);
    load.connections = calloc((size_t)load.count, sizeof *load.connections);
    load.took_ms = calloc((size_t)load.most, sizeof *load.took_ms);
    check(load.connections && load.took_ms, "memory");
    int poll = connect_all(&load, (uint16_t)strtol(argv[2], NULL, 10));
    print(&load, run(&load, poll, strtol(argv[5], NULL, 10) * 1000000000));
    free(load.took_ms);
    free(load.connections);
    free(load.job);
    return EXIT_SUCCESS;
}
