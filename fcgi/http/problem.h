#ifndef HASHMILL_PROBLEM_H
#define HASHMILL_PROBLEM_H

#include "queue/queue.h"
#include "reply.h"
#include "request.h"

/*
 * Error replies: application/problem+json (RFC 9457). problem.c has the table of their types,
 * titles, statuses and Retry-After.
 */
enum problem {
    PROBLEM_BAD_PARAMETER,
    PROBLEM_BAD_HEADER,
    PROBLEM_BAD_BODY,
    PROBLEM_DIGEST_MISMATCH,
    PROBLEM_PROTOCOL,
    PROBLEM_UNAUTHORIZED,
    PROBLEM_FORBIDDEN,
    PROBLEM_QUARANTINED,
    PROBLEM_CERTIFICATE,
    PROBLEM_CROSS_SITE,
    PROBLEM_FOREIGN_HOST,
    PROBLEM_NOT_FOUND,
    PROBLEM_METHOD_NOT_ALLOWED,
    PROBLEM_ALREADY_DONE,
    PROBLEM_COUNT_DIFFERS,
    PROBLEM_NEEDED,
    PROBLEM_SUPERSEDED,
    PROBLEM_GONE,
    PROBLEM_PEER_ALIVE,
    PROBLEM_PRECONDITION,
    PROBLEM_TOO_LARGE,
    PROBLEM_CODING,
    PROBLEM_MEDIA_TYPE,
    PROBLEM_EXPECTATION,
    PROBLEM_MISDIRECTED,
    PROBLEM_KEY_CONFLICT,
    PROBLEM_QUOTA_ITEMS,
    PROBLEM_QUOTA_WORK,
    PROBLEM_QUOTA_RATE,
    PROBLEM_QUOTA_ITERATIONS,
    PROBLEM_FAULT,
    PROBLEM_QUEUE_FULL,
    PROBLEM_PAUSED,
    PROBLEM_WAITS_FULL,
    PROBLEM_UNAVAILABLE,
    PROBLEM_UNREACHABLE,
    PROBLEM_LOOKS_FULL,
    PROBLEM_OUTCOME_UNKNOWN,
    PROBLEM_DISK_FULL
};

enum { WHY_SIZE = 256 }; /* bytes of a detail that a check writes for its caller, with the NUL */

/* Makes the reply a problem. The detail, printf-style and cut at WHY_SIZE - 1 bytes, says what is
 * wrong and what to do. It may hold bytes of the client, which are escaped. */
void problem_reply(struct reply *reply, enum problem problem, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same, with another Retry-After than the table's. */
void problem_later(struct reply *reply, enum problem problem, int retry_after_seconds,
                   const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The problem for an item refused by a full queue, with the time to try again. */
void problem_full(struct reply *reply, int retry_after_seconds);

/* The problem for cancelling `confirmed` items while another number waits, which it has as the
 * member count. */
void problem_count(struct reply *reply, int64_t count, int64_t confirmed);

/* The problem for the result of a verb that changes the queue: FULL, HELD, PAUSED, DISK_FULL, DOWN,
 * UNKNOWN, FAULT. NONE and CONFLICT mean something else for each verb, so the callers answer those.
 */
void problem_of_write(struct reply *reply, enum queue_result result);

/* The problem for the result of a verb that only reads: DOWN, UNKNOWN, FAULT. */
void problem_of_read(struct reply *reply, enum queue_result result);

/* The problem for a body that could not be read; result is not REQUEST_BODY_OK. */
void problem_of_body(struct reply *reply, enum request_body result, size_t max_bytes);

#endif
