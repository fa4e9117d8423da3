#ifndef HASHMILL_WORKER_PROTOCOL_H
#define HASHMILL_WORKER_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "json.h"
#include "mill/item.h"

/*
 * The texts of the worker protocol: writes what is posted to a node, and reads its replies. Replies
 * are not trusted: a field that is missing or out of range makes the whole reply bad. The reason is
 * a phrase that never quotes the reply.
 */

enum { PROTOCOL_NAME_SIZE = 65 /* bytes of a worker's name with its NUL */ };

/* How a worker describes itself in each call. */
struct protocol_worker {
    const char *name;    /* 1 to 64 printable bytes */
    const char *machine; /* that a node launched to run it; "" or NULL: none has */
    const char *kernel;  /* name of the one that computes most: "openssl" */
    int cores;           /* threads that compute */
    int64_t rate;        /* iterations a second */
};

/* Write the bodies of POST /lease, /results and /retire into an empty buffer. */
void protocol_put_lease(struct buffer *body, const struct protocol_worker *worker,
                        const uuid_t request, int items, int64_t iterations, int wait_seconds);
void protocol_put_report(struct buffer *body, const struct protocol_worker *worker,
                         const struct item *list, int count);
void protocol_put_retire(struct buffer *body, const struct protocol_worker *worker);

/* A lease that was given. */
struct protocol_grant {
    int64_t ttl_ms;     /* 1 ms to a day */
    struct items items; /* 1 or more, or none with drain; node and release are 0 */
    bool drain;         /* the node wants this worker to give everything back and retire */
};

/* Reads the reply to a lease request for at most `most` items. False with the reason in *why.
 * grant->items is emptied first and keeps its memory. */
bool protocol_read_grant(struct json *json, const char *text, size_t length, const uuid_t request,
                         int most, struct protocol_grant *grant, const char **why);

/* Reads the reply to a report of the count items in list, all of them different. Sets lost[i] to
 * whether the node called item i lost, not taken. False with the reason in *why, also when the
 * reply leaves an item out. */
bool protocol_read_verdict(struct json *json, const char *text, size_t length,
                           const struct item *list, int count, bool *lost, bool *drain,
                           const char **why);

/* An error reply (RFC 9457), as far as it could be read; empty texts when it is nothing of the
 * kind. */
struct protocol_problem {
    char type[100];
    char detail[300];
};
void protocol_read_problem(struct json *json, const char *text, size_t length,
                           struct protocol_problem *problem);

#endif
