#ifndef HASHMILL_REQUEST_H
#define HASHMILL_REQUEST_H

#include <fcgiapp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "reply.h"

/*
 * One FastCGI request, by libfcgi. It must stay where it is in memory from request_accept to
 * request_finish; several may be open at once and be finished in any order.
 */
struct request {
    FCGX_Request fcgi;
    const char *method; /* "GET", ...; HEAD is shown as GET with head set */
    const char *path;   /* decoded, without the query */
    const char *query;  /* as sent; "" for none */
    bool head;          /* the reply's body is to be left out */
};

/* How long a peer may keep this process waiting in one read or write. */
struct patience {
    int receive_ms;
    int send_ms;
};

enum request_accepted {
    REQUEST_ACCEPTED,
    REQUEST_NONE,     /* nobody there, or a peer that sent no valid request; go on */
    REQUEST_EXHAUSTED /* no descriptors or memory; it is logged */
};

enum request_body {
    REQUEST_BODY_OK,
    REQUEST_BODY_TOO_LARGE,
    REQUEST_BODY_BROKEN /* it ended early, or is not as long as announced */
};

/* What takes a body's bytes as they come. */
typedef void body_sink(void *context, const char *bytes, size_t length);

/* Prepares libfcgi; once in a process, before the first request. False when it cannot. */
bool request_setup(void);

/* Takes the next connection from a non-blocking listening socket and reads the request's
 * parameters. Only when REQUEST_ACCEPTED the request is open and must be finished. */
enum request_accepted request_accept(struct request *request, int listen_fd,
                                     struct patience patience);

/* A FastCGI parameter that nginx makes, such as "REMOTE_ADDR"; NULL when there is none. */
const char *request_parameter(const struct request *request, const char *name);

/* A header field of the client by its parameter's name, such as "HTTP_ACCEPT"; NULL when there is
 * none. Several lines of one name are one value, joined by ", " (RFC 9110, section 5.2): nginx
 * before 1.23 hands over a parameter for each, later ones join them so. Where one value is allowed
 * the reader must refuse a joined one. The text may be in *joined, whose content is replaced. */
const char *request_field(const struct request *request, const char *name, struct buffer *joined);

/* Reads the body to its end, at most max_bytes, through a sink. A body announced as longer is not
 * read at all. */
enum request_body request_read_body(struct request *request, size_t max_bytes, body_sink *sink,
                                    void *context);

/* Whether the client has gone away. */
bool request_is_gone(const struct request *request);

/* The connection's descriptor, to poll for a client that goes away. */
int request_descriptor(const struct request *request);

/* Writes the reply, ends the request and closes its connection. False when the reply could not be
 * written whole. */
bool request_finish(struct request *request, const struct reply *reply);

/* Ends a request whose client has gone: closes the connection without a reply. */
void request_drop(struct request *request);

#endif
