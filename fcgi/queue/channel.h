#ifndef HASHMILL_CHANNEL_H
#define HASHMILL_CHANNEL_H

/*
 * The channel between a process and the writer: a SEQPACKET unix socket. The master listens in a
 * directory that only its user may enter, every process connects after it was forked, the writer
 * accepts. A message is one operation or one answer; the answer carries the operation's id.
 *
 * End of file at a process: the writer is gone, and the outcome of unanswered operations is
 * unknown. End of file at the writer: nobody waits for the answers any more.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "log.h"
#include "pages.h"
#include "queue_fleet.h"
#include "queue_operators.h"
#include "queue_peers.h"

enum {
    CHANNEL_VERSION = 8,
    CHANNEL_MESSAGE_MAX = 192 * 1024 /* bytes */
};

/* The operations of the writer. fcgi/writer/operation.c has them in one table: their messages,
 * their answers and what they do. */
enum operation {
    OPERATION_ENQUEUE,
    OPERATION_PULL,
    OPERATION_CANCEL,
    OPERATION_REPORT,
    OPERATION_RETIRE,
    OPERATION_TALLY,
    OPERATION_UPDATE_MACHINE,
    OPERATION_QUARANTINE,
    OPERATION_ACKNOWLEDGE,
    OPERATION_CLOSE_PULL,
    OPERATION_RESERVE,
    OPERATION_SETTLE,
    OPERATION_HELLO,
    OPERATION_HEARD,
    OPERATION_RAISE,
    OPERATION_LOAN,
    OPERATION_BACKUP,
    OPERATION_WATCH_BATCH,
    OPERATION_WATCH_DONE,
    OPERATION_LEASE,
    OPERATION_LOOK,
    OPERATION_FORGET,
    OPERATION_RETURN,
    OPERATION_ENQUEUE_MANY,
    OPERATION_CANCEL_MANY,
    OPERATION_PAUSE,
    OPERATION_NOTE_BACKUP,
    OPERATION_COUNT
};

struct channel_look {
    struct uuid id;
    struct queue_whose whose;
};

struct channel_header {
    uint32_t version;
    uint16_t operation; /* enum operation; the same in the answer */
    uint16_t result;    /* enum queue_result; of an answer */
    uint64_t id;        /* chosen by the process; unique among its operations under way */
    int64_t until_ms;   /* of an operation, steady time: it may be parked until then, and must not
                           begin later */
    int64_t retry_seconds; /* of an answer FULL or OVER_...: until there may be room */
    struct queue_left
        left; /* of the answer to an enqueue, to many, or to a pull that was applied */
    struct log_request request; /* of an operation: what it is part of, for the log */
};

struct channel_message {
    struct channel_header header;
    union {
        struct queue_enqueue enqueue;
        struct queue_many many;
        struct queue_many_stored stored;
        struct queue_pull pull;
        struct uuid id;
        struct queue_return returned;
        struct queue_report report;
        struct queue_worker worker;
        struct queue_machine_update update;
        struct queue_quarantine quarantine;
        struct queue_lease lease;
        struct channel_look look;
        struct queue_cancel cancel;
        struct queue_cancel_many cancel_many;
        struct queue_cancelled cancelled;
        struct queue_whose whose;
        struct queue_batch batch;
        struct queue_verdict verdict;
        struct queue_tally tally;
        struct queue_grant grant;
        struct queue_item item;
        struct queue_acknowledged acknowledged;
        struct queue_close close;
        struct queue_reserve reserve;
        struct queue_settle settle;
        struct queue_hello hello;
        struct queue_hello_answer hello_answer;
        struct queue_heard heard;
        struct queue_raise raise;
        struct queue_loan_step loan;
        struct pages pages;
        struct queue_pause pause;
        int64_t number;
    } body;
};

_Static_assert(sizeof(struct channel_message) <= CHANNEL_MESSAGE_MAX, "messages are bounded");

enum { CHANNEL_HEADER_SIZE = sizeof(struct channel_header) };

/* The bytes of a body that ends in an array, items, of count elements. */
#define CHANNEL_LIST_SIZE(type, count)                                                             \
    (offsetof(type, items) + (size_t)(count) * sizeof(((type *)0)->items[0]))

enum channel_result { CHANNEL_OK, CHANNEL_AGAIN, CHANNEL_GONE };

/* Connects, without blocking. -1 with errno. channel_await on this descriptor waits at most
 * answer_ms. */
int channel_connect(const char *path, int64_t answer_ms);

/* Whether the process at the other end of an accepted descriptor runs as this one's user. Nobody
 * else has business here: who can send operations can do everything. If not, the log says who it
 * was. */
bool channel_is_own(int fd);

/* Prepares an accepted or connected descriptor: makes its buffer large enough for whole messages.
 */
void channel_prepare(int fd);

/* Sends size bytes of a message without blocking. */
enum channel_result channel_send(int fd, const struct channel_message *message, size_t size);

/* Sends messages, each of a header and a body, in one system call without blocking: the first ones,
 * while there is room. Returns how many, at most CHANNEL_MANY; -1 when the channel is gone. */
enum { CHANNEL_MANY = 64 };
int channel_send_many(int fd, struct iovec messages[][2], int count);

/* Receives one message without blocking; *size gets its bytes. CHANNEL_GONE for a message that is
 * too long, shorter than a header or of another version: its sender cannot be trusted. */
enum channel_result channel_receive(int fd, struct channel_message *message, size_t *size);

/* The same, but waits for a message; CHANNEL_AGAIN when none came in time. */
enum channel_result channel_await(int fd, struct channel_message *message, size_t *size);

#endif
