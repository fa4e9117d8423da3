#ifndef HASHMILL_FAKE_SERVER_H
#define HASHMILL_FAKE_SERVER_H

/*
 * An HTTP server that a test plays to lib/http in the same thread: it notes the requests that have
 * come, and the test answers them when and as it likes.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "buffer.h"
#include "http.h"
#include "json.h"

enum { CONNECTIONS = 24, WAIT_MS = 20000, REQUEST_MAX = 300000 };

/* The server's side of a connection, and the request that has come on it. */
struct connection {
    int fd; /* -1: unused */
    struct buffer in;
    bool whole; /* in holds a whole request that is not answered yet */
    bool held;  /* the test has put it aside: it is not looked for any more */
};

static struct {
    int fd;
    struct http *client; /* reads while an answer is written */
    struct connection connections[CONNECTIONS];
    struct json json; /* the body of the request expected last, where a test reads it */
    char body[REQUEST_MAX];
} server;

static char url[64];

static void start_server(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    server.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (bind(server.fd, (struct sockaddr *)&address, size) != 0 || listen(server.fd, 64) != 0 ||
        getsockname(server.fd, (struct sockaddr *)&address, &size) != 0)
        abort();
    snprintf(url, sizeof url, "http://127.0.0.1:%d", ntohs(address.sin_port));
    for (int i = 0; i < CONNECTIONS; i++)
        server.connections[i].fd = -1;
}

/* Notes whether a whole request has come. */
static void check_whole(struct connection *connection) {
    buffer_append(&connection->in, "", 1);
    connection->in.length--;
    const char *end = strstr(connection->in.data, "\r\n\r\n");
    const char *length = strstr(connection->in.data, "Content-Length: ");
    if (end && length)
        connection->whole = connection->in.length == (size_t)(end - connection->in.data) + 4 +
                                                         strtoul(length + 16, NULL, 10);
}

static void hang_up(struct connection *connection) {
    close(connection->fd);
    connection->fd = -1;
    connection->whole = false;
    connection->held = false;
    buffer_clear(&connection->in);
}

static void hang_up_all(void) {
    for (int i = 0; i < CONNECTIONS; i++) {
        if (server.connections[i].fd >= 0)
            hang_up(&server.connections[i]);
    }
}

/* Accepts and reads what there is. */
static void serve(void) {
    char bytes[65536];
    for (int i = 0; i < CONNECTIONS; i++) {
        struct connection *connection = &server.connections[i];
        if (connection->fd < 0) {
            connection->fd = accept4(server.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
            continue;
        }
        ssize_t length = read(connection->fd, bytes, sizeof bytes);
        if (length > 0)
            buffer_append(&connection->in, bytes, (size_t)length);
        if (length == 0)
            hang_up(connection);
        else if (length > 0)
            check_whole(connection);
    }
}

/* The connection on which a whole request for that path waits, or NULL. */
static struct connection *find_request(const char *path) {
    for (int i = 0; i < CONNECTIONS; i++) {
        struct connection *connection = &server.connections[i];
        if (connection->whole && !connection->held &&
            strncmp(connection->in.data + 5, path, strlen(path)) == 0)
            return connection;
    }
    return NULL;
}

/* Writes all of it; the client reads meanwhile. */
static void write_all(int fd, const struct buffer *out) {
    size_t done = 0;
    while (done < out->length) {
        ssize_t length = write(fd, out->data + done, out->length - done);
        if (length > 0)
            done += (size_t)length;
        else if (errno == EAGAIN)
            http_wait(server.client, NULL, 0, 1);
        else
            abort();
    }
}

/* Answers, without waiting for the client to see it. The status may bring lines of the head with
 * it. */
static void send_answer(struct connection *connection, const char *status, const char *body) {
    struct buffer out = {0};
    buffer_printf(&out, "HTTP/1.1 %s\r\n", status);
    if (strncmp(status, "204", 3) != 0)
        buffer_printf(&out, "Content-Length: %zu\r\n", strlen(body));
    buffer_printf(&out, "\r\n%s", body);
    buffer_clear(&connection->in);
    connection->whole = false;
    connection->held = false;
    write_all(connection->fd, &out);
    buffer_free(&out);
}

/* Frees what start_server and the tests have taken. */
static void stop_server(void) {
    for (int i = 0; i < CONNECTIONS; i++)
        buffer_free(&server.connections[i].in);
    json_free(&server.json);
    close(server.fd);
}

#endif
