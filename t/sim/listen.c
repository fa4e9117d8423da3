/* The doors of a node: fcgi/http/request.h over requests in memory. A door is an event descriptor
 * that counts the requests that nobody has taken yet. */

#include "sim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/query.h"
#include "http/request.h"

struct door_state {
    int fd; /* -1: closed */
    struct arrival *first;
    struct arrival **last;
};

static struct door_state doors[NODES][DOORS];
static struct arrival *taken; /* by a process that has not answered */

struct arrival *arrival_new(int node, enum door door) {
    struct arrival *arrival = calloc(1, sizeof *arrival);
    if (!arrival)
        abort();
    arrival->node = node;
    arrival->door = door;
    return arrival;
}

void arrival_header(struct arrival *arrival, const char *name, const char *value) {
    int i = 0;
    while (arrival->parameters[i])
        i++;
    snprintf(arrival->text[i], sizeof arrival->text[i], "%s=%s", name, value);
    arrival->parameters[i] = arrival->text[i];
}

/* Tells the sender the answer, and ends the request. */
static void answer(struct arrival *arrival, int status, const char *body, size_t length) {
    arrival->answer(arrival, status, body, length);
    buffer_free(&arrival->body);
    free(arrival);
}

void arrival_come(struct arrival *arrival) {
    struct door_state *door = &doors[arrival->node][arrival->door];
    uint64_t one = 1;
    if (door->fd < 0) {
        answer(arrival, 0, NULL, 0);
        return;
    }
    *door->last = arrival;
    door->last = &arrival->next;
    if (write(door->fd, &one, sizeof one) != sizeof one)
        abort();
}

void doors_open(int node) {
    for (int i = 0; i < DOORS; i++) {
        struct door_state *door = &doors[node][i];
        door->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC | EFD_SEMAPHORE);
        door->first = NULL;
        door->last = &door->first;
    }
}

void doors_closed(int node) {
    for (int i = 0; i < DOORS; i++)
        doors[node][i].fd = -1;
}

void doors_close(int node) {
    for (int i = 0; i < DOORS; i++) {
        struct door_state *door = &doors[node][i];
        if (door->fd < 0)
            continue;
        close(door->fd);
        door->fd = -1;
        struct arrival *arrival;
        while ((arrival = door->first) != NULL) {
            door->first = arrival->next;
            answer(arrival, 0, NULL, 0);
        }
    }
}

int door_descriptor(int node, enum door door) {
    return doors[node][door].fd;
}

void doors_forget(uint32_t number) {
    struct arrival **at = &taken;
    while (*at) {
        struct arrival *arrival = *at;
        if (arrival->taken_by != number) {
            at = &arrival->next;
            continue;
        }
        *at = arrival->next;
        answer(arrival, 0, NULL, 0);
        at = &taken; /* an answer may change the list */
    }
}

/* --- request.h --- */

static struct arrival *of(const struct request *request) {
    return (struct arrival *)(void *)request->fcgi.in;
}

bool request_setup(void) {
    return true;
}

static struct door_state *door_of(int fd) {
    for (int i = 0; i < NODES * DOORS; i++) {
        struct door_state *door = &doors[i / DOORS][i % DOORS];
        if (door->fd == fd)
            return door;
    }
    return NULL;
}

enum request_accepted request_accept(struct request *request, int listen_fd,
                                     struct patience patience) {
    (void)patience;
    uint64_t one;
    struct door_state *door = door_of(listen_fd);
    if (!door || read(listen_fd, &one, sizeof one) < 0)
        return REQUEST_NONE;
    struct arrival *arrival = door->first;
    door->first = arrival->next;
    if (!door->first)
        door->last = &door->first;
    arrival->taken_by = fiber_number();
    arrival->next = taken;
    taken = arrival;
    *request =
        (struct request){.method = arrival->method, .path = arrival->path, .query = arrival->query};
    request->fcgi.in = (FCGX_Stream *)(void *)arrival;
    request->fcgi.ipcFd = -1;
    return REQUEST_ACCEPTED;
}

const char *request_parameter(const struct request *request, const char *name) {
    size_t length = strlen(name);
    for (char **at = of(request)->parameters; *at; at++) {
        if (strncmp(*at, name, length) == 0 && (*at)[length] == '=')
            return *at + length + 1;
    }
    return NULL;
}

const char *request_field(const struct request *request, const char *name, struct buffer *joined) {
    (void)joined;
    return request_parameter(request, name);
}

enum request_body request_read_body(struct request *request, size_t max_bytes, body_sink *sink,
                                    void *context) {
    const struct buffer *body = &of(request)->body;
    if (body->length > max_bytes)
        return REQUEST_BODY_TOO_LARGE;
    if (body->length > 0)
        sink(context, body->data, body->length);
    return REQUEST_BODY_OK;
}

bool request_is_gone(const struct request *request) {
    (void)request;
    return false;
}

/* A descriptor to watch for the client's end, which never comes. */
int request_descriptor(const struct request *request) {
    int *fd = &((struct request *)request)->fcgi.ipcFd; /* the real one has it from the start */
    if (*fd < 0) {
        *fd = eventfd(0, EFD_CLOEXEC);
        descriptors_own(*fd);
    }
    return *fd;
}

static struct arrival *end_request(struct request *request) {
    struct arrival *arrival = of(request);
    struct arrival **at = &taken;
    while (*at && *at != arrival)
        at = &(*at)->next;
    if (*at)
        *at = arrival->next;
    if (request->fcgi.ipcFd >= 0)
        close(request->fcgi.ipcFd);
    return arrival;
}

bool request_finish(struct request *request, const struct reply *reply) {
    answer(end_request(request), reply->status, reply->body.data, reply->body.length);
    return true;
}

void request_drop(struct request *request) {
    answer(end_request(request), 0, NULL, 0);
}
