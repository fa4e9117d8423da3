#ifndef HASHMILL_REQUEST_H
#define HASHMILL_REQUEST_H

#include <fcgiapp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "reply.h"

/*
 * A FastCGI request, by libfcgi. It must not move in memory from request_accept to request_finish.
 * Several may be open at once and be finished in any order.
 */
struct request {
    FCGX_Request fcgi;
    const char *method; /* "GET", ...; HEAD is shown as GET with head set */
    const char *path;   /* decoded, without the query */
    const char *query;  /* as sent; "" for none */
    const char *id;     /* that nginx knows it by, fit for log_set_request; NULL: none */
    bool head;          /* leave out the reply's body */
};

/* How long a peer may delay this process in one read or write. */
struct patience {
    int receive_ms;
    int send_ms;
};

enum request_accepted {
    REQUEST_ACCEPTED,
    REQUEST_NONE,     /* nobody there, or no valid request; go on */
    REQUEST_EXHAUSTED /* no descriptors or memory; logged */
};

enum request_body {
    REQUEST_BODY_OK,
    REQUEST_BODY_TOO_LARGE,
    REQUEST_BODY_BROKEN /* ended early, or has not the announced length */
};

/* Takes the bytes of a body as they come. */
typedef void body_sink(void *context, const char *bytes, size_t length);

/* Prepares libfcgi; call it once in a process, before the first request. False on failure. */
bool request_setup(void);

/* Takes the next connection from a non-blocking listening socket and reads the request's
 * parameters. After REQUEST_ACCEPTED, and only then, the request is open and must be finished. */
enum request_accepted request_accept(struct request *request, int listen_fd,
                                     struct patience patience);

/* For an event loop that keeps connections: from here on all requests of this process are opened by
 * request_open, and what they send is appended to `out`. Connections and bodies are the caller's:
 * none of these functions reads, writes or closes any. may_replace: try the faster of two ways,
 * which replaces functions of libfcgi. */
void request_use_memory(struct buffer *out, bool may_replace);

/* Takes the next connection from a non-blocking listening socket into *fd. */
enum request_accepted request_connection(int listen_fd, int *fd);

/* Opens a request whose head was received: all records up to the last of its parameters, at most
 * 128 KB. False when it is no valid one. */
bool request_open(struct request *request, const char *head, size_t length);

/* A FastCGI parameter of nginx's own, such as "REMOTE_ADDR"; NULL without one. */
const char *request_parameter(const struct request *request, const char *name);

/* A header field of the client by its parameter's name, such as "HTTP_ACCEPT"; NULL without one.
 * Several lines of one name are one value, joined by ", " (RFC 9110, section 5.2): nginx before
 * 1.23 passes a parameter for each line, later versions join them. A reader that allows one value
 * must refuse a joined one. The text may be in *joined, whose content is replaced. */
const char *request_field(const struct request *request, const char *name, struct buffer *joined);

/* The length that is announced of the body, 0 without one; OK, or what is wrong with it. */
enum request_body request_announced(const struct request *request, size_t max_bytes,
                                    int64_t *announced);

/* Reads the body to its end, at most max_bytes, and passes it to the sink. A body announced as
 * longer is not read at all; nor is any after request_use_memory. */
enum request_body request_read_body(struct request *request, size_t max_bytes, body_sink *sink,
                                    void *context);

/* Whether the client has gone away. */
bool request_is_gone(const struct request *request);

/* The connection's descriptor, to poll for a client that goes away. */
int request_descriptor(const struct request *request);

/* Writes the reply, ends the request and closes its connection (but see request_use_memory). False
 * when the reply was not written whole. */
bool request_finish(struct request *request, const struct reply *reply);

/* Ends a request whose client has gone: closes the connection without a reply. */
void request_drop(struct request *request);

#endif
