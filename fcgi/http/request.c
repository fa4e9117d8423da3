#include "request.h"

#include <errno.h>
#include <fcgios.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "log.h"
#include "query.h"

bool request_setup(void) {
    /* After a reply to a request whose body was not read, libfcgi polls this long for the peer's
     * close; its default of 2 s is too long for a process that has others to serve. */
    if (setenv("LIBFCGI_OS_CLOSE_POLL_TIMEOUT", "200", 1) != 0 || FCGX_Init() != 0) {
        log_error("libfcgi cannot start: %m; give this machine more memory");
        return false;
    }
    return true;
}

/*
 * libfcgi between memory and memory, once request_use_memory was called, so that it never waits. It
 * reads and writes by OS_Read and OS_Write, which it exports: ours take their place. Where it was
 * linked so that it calls its own (-Bsymbolic-functions), it has one end of a pair of sockets, at
 * the price of four system calls a request.
 */
static struct {
    bool used;
    bool replaced;  /* OS_Read and OS_Write are ours */
    const char *in; /* then: what it reads, */
    size_t left;    /* of so many bytes */
    int its_end;    /* what it takes for a connection; -1: to be opened (again) */
    int our_end;    /* the other end of a pair; -1 without one */
    struct buffer *out;
} memory = {.its_end = -1, .our_end = -1};

int OS_Read(int fd, char *bytes, size_t length) {
    if (!memory.replaced)
        return (int)read(fd, bytes, length);
    size_t got = length < memory.left ? length : memory.left;
    if (got > 0)
        memcpy(bytes, memory.in, got);
    memory.in += got;
    memory.left -= got;
    return (int)got;
}

int OS_Write(int fd, char *bytes, size_t length) {
    if (!memory.replaced)
        return (int)write(fd, bytes, length);
    buffer_append(memory.out, bytes, length);
    return (int)length;
}

/* Opens what libfcgi takes for a connection. */
static bool open_ends(void) {
    int ends[2] = {-1, -1};
    if (memory.its_end >= 0)
        return true;
    if (memory.replaced)
        ends[0] = open("/dev/null", O_RDWR | O_CLOEXEC);
    else if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
        ends[0] = -1;
    memory.its_end = ends[0];
    memory.our_end = ends[1];
    if (ends[0] < 0)
        log_error("no descriptor for libfcgi: %m; raise the limits on open files or memory");
    return ends[0] >= 0;
}

/* Has open_ends open others; libfcgi has closed its end, or nobody needs it. */
static void forget_ends(void) {
    if (memory.our_end >= 0)
        close(memory.our_end);
    memory.its_end = memory.our_end = -1;
}

/* Hands a head to libfcgi. */
static bool give_head(const char *head, size_t length) {
    if (!open_ends())
        return false;
    memory.in = head;
    memory.left = length;
    if (memory.replaced || write(memory.our_end, head, length) == (ssize_t)length)
        return true;
    close(memory.its_end);
    return false;
}

/* Takes what libfcgi has written to the pair. */
static void take_reply(void) {
    char bytes[8192];
    ssize_t got = sizeof bytes;
    while (memory.our_end >= 0 && got == (ssize_t)sizeof bytes) {
        got = read(memory.our_end, bytes, sizeof bytes);
        if (got > 0)
            buffer_append(memory.out, bytes, (size_t)got);
    }
}

static void set_timeout(int fd, int option, int ms) {
    struct timeval time = {.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};
    if (setsockopt(fd, SOL_SOCKET, option, &time, sizeof time) != 0)
        log_warn("a connection's timeout cannot be set: %m");
}

enum request_accepted request_connection(int listen_fd, int *fd) {
    *fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (*fd >= 0)
        return REQUEST_ACCEPTED;
    switch (errno) {
    case EAGAIN:
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case EPERM:
        return REQUEST_NONE;
    default:
        log_error("no connection can be accepted: %m; raise the limits on open files or memory");
        return REQUEST_EXHAUSTED;
    }
}

/*
 * Has libfcgi read a request's head from a connection that we accepted. Its own accept would wait
 * for ever, for a connection or for the rest of half a record. FCGX_Accept_r skips its accept when
 * a connection is kept open from an earlier request, so the request is made to look like that. When
 * reading fails, also by our receive timeout, libfcgi closes the connection and does call accept,
 * on the listening socket -1, which fails at once with EBADF.
 *
 * A detached connection is closed without libfcgi's wait for the peer's close; a peer that sent no
 * valid request needs no such wait.
 */
static bool read_head(FCGX_Request *fcgi, int fd) {
    FCGX_InitRequest(fcgi, -1, 0);
    fcgi->ipcFd = fd;
    fcgi->keepConnection = 1;
    fcgi->detached = 1;
    if (FCGX_Accept_r(fcgi) != 0)
        return false;
    /* libfcgi takes parameters that break off as complete. */
    if (FCGX_GetError(fcgi->in) != 0) {
        FCGX_Free(fcgi, 1);
        return false;
    }
    fcgi->detached = 0;
    fcgi->keepConnection = memory.used; /* whatever the peer asked for */
    return true;
}

/* The parameter, or "" without one. */
static const char *text_of(const struct request *request, const char *name) {
    const char *text = request_parameter(request, name);
    return text ? text : "";
}

/* The parameter REQUEST_ID when it has the form of an id; else NULL. */
static const char *id_of(const struct request *request) {
    const char *id = text_of(request, "REQUEST_ID");
    size_t length = strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
    return length > 0 && length < LOG_REQUEST_SIZE && id[length] == '\0' ? id : NULL;
}

/* Reads a request's head, and what we want to know of it. False when it is broken; the connection
 * is closed then. */
static bool open_request(struct request *request, int fd) {
    if (!read_head(&request->fcgi, fd))
        return false;
    request->method = text_of(request, "REQUEST_METHOD");
    request->path = text_of(request, "DOCUMENT_URI");
    request->query = text_of(request, "QUERY_STRING");
    request->id = id_of(request);
    request->head = strcmp(request->method, "HEAD") == 0;
    if (request->head)
        request->method = "GET";
    return true;
}

bool request_open(struct request *request, const char *head, size_t length) {
    bool given = give_head(head, length);
    bool good = given && open_request(request, memory.its_end);
    if (!good)
        forget_ends();
    return good;
}

void request_use_memory(struct buffer *out, bool may_replace) {
    static const char head[] = {1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 0, 0,  /* the begin of a request, */
                                0, 0, 0, 0, 1, 4, 0, 1, 0, 0, 0, 0}; /* and no parameters */
    struct request request;
    if (memory.its_end >= 0)
        close(memory.its_end);
    forget_ends();
    memory.used = true;
    memory.out = out;
    memory.replaced = may_replace;
    if (!may_replace)
        return;
    /* From /dev/null only our OS_Read gets a head. */
    memory.replaced = request_open(&request, head, sizeof head);
    if (memory.replaced)
        request_drop(&request);
    else
        log_info("libfcgi calls its own OS_Read; enqueues take a little longer");
}

enum request_accepted request_accept(struct request *request, int listen_fd,
                                     struct patience patience) {
    int fd;
    enum request_accepted result = request_connection(listen_fd, &fd);
    if (result != REQUEST_ACCEPTED)
        return result;
    set_timeout(fd, SO_RCVTIMEO, patience.receive_ms);
    set_timeout(fd, SO_SNDTIMEO, patience.send_ms);
    return open_request(request, fd) ? REQUEST_ACCEPTED : REQUEST_NONE;
}

const char *request_parameter(const struct request *request, const char *name) {
    return FCGX_GetParam(name, request->fcgi.envp);
}

const char *request_field(const struct request *request, const char *name, struct buffer *joined) {
    const char *value = NULL;
    size_t length = strlen(name);
    for (char **at = request->fcgi.envp; *at; at++) {
        if (strncmp(*at, name, length) != 0 || (*at)[length] != '=')
            continue;
        const char *line = *at + length + 1;
        if (value && value != joined->data) {
            buffer_clear(joined);
            buffer_puts(joined, value);
        }
        if (value)
            buffer_printf(joined, ", %s", line);
        value = value ? joined->data : line;
    }
    return value;
}

enum request_body request_announced(const struct request *request, size_t max_bytes,
                                    int64_t *announced) {
    const char *length_text = text_of(request, "CONTENT_LENGTH");
    *announced = 0;
    if (*length_text != '\0' && !query_decimal(length_text, 0, INT64_MAX, announced))
        return REQUEST_BODY_BROKEN;
    return *announced > (int64_t)max_bytes ? REQUEST_BODY_TOO_LARGE : REQUEST_BODY_OK;
}

enum request_body request_read_body(struct request *request, size_t max_bytes, body_sink *sink,
                                    void *context) {
    static char chunk[32768];
    int64_t announced;
    enum request_body result = request_announced(request, max_bytes, &announced);
    if (result != REQUEST_BODY_OK || memory.used)
        return result;
    FCGX_Stream *in = request->fcgi.in;
    int64_t count = 0;
    int got;
    /* FCGX_GetStr returns less than asked for only at the end, or when the peer falls silent. */
    while ((got = FCGX_GetStr(chunk, sizeof chunk, in)) > 0) {
        count += got;
        if (count > (int64_t)max_bytes)
            return REQUEST_BODY_TOO_LARGE;
        sink(context, chunk, (size_t)got);
    }
    return FCGX_GetError(in) == 0 && count == announced ? REQUEST_BODY_OK : REQUEST_BODY_BROKEN;
}

bool request_is_gone(const struct request *request) {
    struct pollfd peer = {.fd = request->fcgi.ipcFd, .events = POLLRDHUP};
    return poll(&peer, 1, 0) > 0;
}

int request_descriptor(const struct request *request) {
    return request->fcgi.ipcFd;
}

/* The end of a body: after JSON a line break, so that a terminal's prompt has its own line. */
static const char *ending_of(const struct reply *reply) {
    const struct buffer *body = &reply->body;
    bool ended = body->length > 0 && body->data[body->length - 1] == '\n'; /* lines of JSON are */
    return strstr(reply->type, "json") && !ended ? "\n" : "";
}

/* The lines that say who may keep a reply. That for nginx comes first, or some versions of it obey
 * no-store. nginx takes it out. */
static const char *keeping_of(const struct reply *reply) {
    static const char *const lines[] = {
        [KEPT_BY_NOBODY] = "Cache-Control: no-store\r\n",
        [KEPT_BY_NGINX] = "X-Accel-Expires: 1\r\nCache-Control: no-store\r\n",
        [KEPT_BY_NOBODY_PRIVATE] = "Cache-Control: private, no-store\r\n"};
    return reply->passes_on ? "" : lines[reply->keeper];
}

/* Gives the reply's head and body to libfcgi, which writes when its buffer is full or closed. */
static void put_reply(const struct request *request, const struct reply *reply) {
    FCGX_Stream *out = request->fcgi.out;
    char head[256];
    int length = snprintf(head, sizeof head, "Status: %d %s\r\n%s", reply->status,
                          reply_reason(reply->status), keeping_of(reply));
    FCGX_PutStr(head, length, out);
    if (reply->headers.length > 0)
        FCGX_PutStr(reply->headers.data, (int)reply->headers.length, out);
    if (reply->type) {
        length = snprintf(head, sizeof head, "Content-Type: %s\r\nContent-Length: %zu\r\n",
                          reply->type, reply->body.length + strlen(ending_of(reply)));
        FCGX_PutStr(head, length, out);
    }
    FCGX_PutStr("\r\n", 2, out);
    if (!reply->type || request->head)
        return;
    if (reply->body.length > 0)
        FCGX_PutStr(reply->body.data, (int)reply->body.length, out);
    FCGX_PutS(ending_of(reply), out);
}

bool request_finish(struct request *request, const struct reply *reply) {
    FCGX_Request *fcgi = &request->fcgi;
    put_reply(request, reply);
    if (memory.used) {
        FCGX_Finish_r(fcgi);
        take_reply();
        return true;
    }
    int failed = FCGX_FClose(fcgi->err);
    failed |= FCGX_FClose(fcgi->out);
    /* When the request was read to its end, closing at once loses nothing. */
    if (FCGX_HasSeenEOF(fcgi->in) == EOF && FCGX_GetError(fcgi->in) == 0)
        FCGX_Detach(fcgi);
    FCGX_Finish_r(fcgi);
    return failed == 0;
}

void request_drop(struct request *request) {
    FCGX_Detach(&request->fcgi);
    /* Writes nothing: frees the streams without closing them. */
    FCGX_Free(&request->fcgi, !memory.used);
}
