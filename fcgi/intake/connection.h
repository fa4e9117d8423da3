#ifndef HASHMILL_CONNECTION_H
#define HASHMILL_CONNECTION_H

#include "http/router.h"
#include "records.h"

/*
 * A connection of nginx, which is kept for one request after another, each with a body. Nothing
 * here waits.
 */

enum connection_state {
    CONNECTION_FREE,    /* there is none */
    CONNECTION_IDLE,    /* it waits for a request */
    CONNECTION_READING, /* a request comes in */
    CONNECTION_HASHING, /* its body is whole and is to be hashed */
    CONNECTION_QUEUED   /* its item is with the queue */
};

struct connection {
    enum connection_state state;
    int fd;
    int64_t since_ms; /* steady time since when it is in this state */
    bool is_late;     /* it has been for too long */
    bool readable;    /* something has come that was not received yet */
    bool hung_up;     /* the peer sends nothing more */
    bool is_open;     /* `request` is: from the end of its head to its reply */
    bool closes;      /* after this request */
    struct records records;
    struct request request;
    struct call call;
    struct queue_enqueue item; /* that is enqueued */
};

/* Puts it into a state, from now on. */
void connection_turn(struct connection *connection, enum connection_state state);

/* Begins with a descriptor that was accepted, or with the next request; `body` with room for
 * body_size bytes is the caller's. */
void connection_begin(struct connection *connection, uint8_t *body, size_t body_size);

/* Closes it; an open request is dropped. */
void connection_close(struct connection *connection);

enum connection_received {
    CONNECTION_MORE,  /* nothing more is there now */
    CONNECTION_HEAD,  /* a request's head is whole, and the request open; there may be more */
    CONNECTION_WHOLE, /* its body is whole */
    CONNECTION_GONE   /* the peer has closed, or sent no request: close it */
};

/* Receives what is there. After HEAD, call it again before any other connection is received from.
 */
enum connection_received connection_receive(struct connection *connection);

/* Ends the open request with the reply in server->reply; `out` is what request_use_memory was
 * given. `last` tells the peer to keep the connection no longer. False when the reply was not sent
 * whole.
 */
bool connection_reply(struct connection *connection, bool last, struct buffer *out);

#endif
