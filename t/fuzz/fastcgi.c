/* What comes over a FastCGI socket: records, parameters, a body. libfcgi forgets some bytes of
 * requests that break off; leaks of ours are looked for. It takes any length of a parameter for one
 * to allocate, so lengths that no web server sends are left out. */
#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fcgi/http/request.h"
#include "fuzz.h"
#include "log.h"

enum { BODY_MAX = 4096, INPUT_MAX = 65536 };

const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
    return "leak:libfcgi.so";
}

static void count(void *context, const char *bytes, size_t length) {
    (void)bytes;
    *(size_t *)context += length;
}

/* A listening socket with a name of its own that is in no directory, and its address. */
static int listen_somewhere(struct sockaddr_un *address, socklen_t *size) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    address->sun_family = AF_UNIX;
    socklen_t bound = sizeof(sa_family_t);
    *size = sizeof *address;
    if (fd < 0 || bind(fd, (struct sockaddr *)address, bound) != 0 || listen(fd, 4) != 0 ||
        getsockname(fd, (struct sockaddr *)address, size) != 0 || !request_setup())
        abort();
    return fd;
}

/* Reads a request to its end and answers it. */
static void serve(struct request *request) {
    struct buffer joined = {0};
    struct reply reply = {0};
    size_t got = 0;
    must(request->method && request->path && request->query);
    must(!request->id || (request->id[0] != '\0' && strlen(request->id) < LOG_REQUEST_SIZE &&
                          !strpbrk(request->id, "\"\\ \n")));
    request_field(request, "HTTP_ACCEPT", &joined);
    enum request_body result = request_read_body(request, BODY_MAX, count, &got);
    must(result != REQUEST_BODY_OK || got <= BODY_MAX);
    reply_begin(&reply, 204, NULL);
    request_finish(request, &reply);
    reply_free(&reply);
    buffer_free(&joined);
}

/* Whether somewhere could be the length of a parameter, of four bytes, of 1 MiB or more. Where
 * libfcgi takes bytes for a length in broken records is its own secret. */
static bool may_have_long(const uint8_t *data, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if (data[i] > 0x80 || (data[i] == 0x80 && (i + 1 == size || data[i + 1] >= 0x10)))
            return true;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct patience patience = {.receive_ms = 50, .send_ms = 50};
    static struct sockaddr_un address;
    static socklen_t address_size;
    static int listen_fd = -1;
    static struct request request;
    if (listen_fd < 0)
        listen_fd = listen_somewhere(&address, &address_size);
    log_set_level(LOG_LEVEL_ERROR);
    if (size > INPUT_MAX || may_have_long(data, size))
        return 0;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, address_size) != 0 ||
        send(fd, data, size, MSG_NOSIGNAL) != (ssize_t)size || shutdown(fd, SHUT_WR) != 0) {
        close(fd);
        return 0;
    }
    if (request_accept(&request, listen_fd, patience) == REQUEST_ACCEPTED)
        serve(&request);
    close(fd);
    return 0;
}
