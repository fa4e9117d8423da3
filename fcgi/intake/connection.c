#include "connection.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"

enum {
    FLAGS_AT = 10, /* of BEGIN_REQUEST; bit 0: the peer keeps the connection */
    RECEIVE_MAX = 288 * 1024
};

/* What was received and not taken yet, of the connection that is received from. */
static struct {
    uint8_t bytes[RECEIVE_MAX];
    size_t at;
    size_t length;
} inflow;

void connection_turn(struct connection *connection, enum connection_state state) {
    connection->state = state;
    connection->since_ms = clock_steady_ms();
    connection->is_late = false;
}

void connection_begin(struct connection *connection, uint8_t *body, size_t body_size) {
    records_begin(&connection->records);
    connection->records.body = body;
    connection->records.body_size = body_size;
    connection_turn(connection, CONNECTION_READING);
}

void connection_close(struct connection *connection) {
    if (connection->is_open)
        request_drop(&connection->request);
    close(connection->fd);
    connection->is_open = false;
    connection->fd = -1;
    buffer_free(&connection->records.head);
    connection_turn(connection, CONNECTION_FREE);
    inflow.at = inflow.length;
}

/* Receives into inflow. False when nothing is there, or no more will come: *gone. */
static bool receive(struct connection *connection, bool *gone) {
    ssize_t got;
    do {
        got = recv(connection->fd, inflow.bytes, sizeof inflow.bytes, MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    *gone = got == 0 || (got < 0 && errno != EAGAIN);
    /* What comes later wakes the loop again. */
    connection->readable = got == (ssize_t)sizeof inflow.bytes;
    inflow.at = 0;
    inflow.length = got > 0 ? (size_t)got : 0;
    return got > 0;
}

/* Opens the request whose head has come. */
static bool open_request(struct connection *connection) {
    const struct buffer *head = &connection->records.head;
    connection->closes = (head->data[FLAGS_AT] & 1) == 0;
    connection->is_open = request_open(&connection->request, head->data, head->length);
    return connection->is_open;
}

enum connection_received connection_receive(struct connection *connection) {
    struct records *records = &connection->records;
    while (inflow.at < inflow.length || connection->readable || connection->hung_up) {
        bool gone = false;
        if (inflow.at == inflow.length && !receive(connection, &gone))
            return gone ? CONNECTION_GONE : CONNECTION_MORE;
        enum records_state before = records->state;
        inflow.at += records_take(records, inflow.bytes + inflow.at, inflow.length - inflow.at);
        if (records->state == RECORDS_BROKEN)
            return CONNECTION_GONE;
        if (records->state == RECORDS_WHOLE) /* nginx asks for nothing more before the answer */
            return inflow.at == inflow.length ? CONNECTION_WHOLE : CONNECTION_GONE;
        if (records->state != before)
            return open_request(connection) ? CONNECTION_HEAD : CONNECTION_GONE;
    }
    return CONNECTION_MORE;
}

/* Behind the end of a request a web server expects nothing. nginx keeps no connection on which more
 * has come with it: so a connection can be closed without a race against its next request. */
static void put_last_record(struct buffer *out) {
    static const uint8_t unknown_type[16] = {1, 11, 0, 0, 0, 8};
    buffer_append(out, unknown_type, sizeof unknown_type);
}

bool connection_reply(struct connection *connection, bool last, struct buffer *out) {
    ssize_t sent;
    buffer_clear(out);
    call_finish(&connection->call);
    connection->is_open = false;
    connection->closes |= last;
    if (last)
        put_last_record(out);
    do {
        sent = send(connection->fd, out->data, out->length, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)out->length;
}
