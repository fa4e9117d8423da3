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

/* What libfcgi reads and writes instead of connections, once request_use_memory was called: an
 * event loop must not wait within it. */
static struct {
    bool used;
    const char *in;
    size_t left; /* bytes */
    struct buffer *out;
} memory;

/* libfcgi reads and writes by OS_Read and OS_Write, which it exports: these take their place. */
int OS_Read(int fd, char *bytes, size_t length) {
    if (!memory.used)
        return (int)read(fd, bytes, length);
    size_t got = length < memory.left ? length : memory.left;
    if (got > 0)
        memcpy(bytes, memory.in, got);
    memory.in += got;
    memory.left -= got;
    return (int)got;
}

int OS_Write(int fd, char *bytes, size_t length) {
    if (!memory.used)
        return (int)write(fd, bytes, length);
    buffer_append(memory.out, bytes, length);
    return (int)length;
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

bool request_open(struct request *request, int fd, const char *head, size_t length) {
    memory.in = head;
    memory.left = length;
    return open_request(request, fd);
}

bool request_use_memory(struct buffer *out) {
    static const char head[] = {1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 0, 0,  /* the begin of a request, */
                                0, 0, 0, 0, 1, 4, 0, 1, 0, 0, 0, 0}; /* and no parameters */
    struct request request;
    memory.used = true;
    memory.out = out;
    /* From a file without a byte only our OS_Read gets a head. */
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && request_open(&request, fd, head, sizeof head)) {
        request_drop(&request);
        return true;
    }
    log_error("libfcgi reads and writes by itself, so nothing can be enqueued: it was linked with "
              "-Bsymbolic-functions or a like option; use one that was not");
    return false;
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
    int failed = FCGX_FClose(fcgi->err);
    failed |= FCGX_FClose(fcgi->out);
    /* When the request was read to its end, closing at once loses nothing. */
    if (!memory.used && FCGX_HasSeenEOF(fcgi->in) == EOF && FCGX_GetError(fcgi->in) == 0)
        FCGX_Detach(fcgi);
    FCGX_Finish_r(fcgi);
    return failed == 0;
}

void request_drop(struct request *request) {
    FCGX_Detach(&request->fcgi);
    /* Writes nothing: frees the streams without closing them. */
    FCGX_Free(&request->fcgi, 1);
}
