#ifndef HASHMILL_CHANNEL_H
#define HASHMILL_CHANNEL_H

/*
 * The channel between a process and the writer: a SEQPACKET unix socket. The master listens in a
 * directory that only its user may enter, every process connects after it was forked, the writer
 * accepts. A message is one operation or one answer; the answer carries the operation's id.
 *
 * End of file at a process means that the writer is gone: what was not answered is unknown. End of
 * file at the writer means that nobody waits for the answers any more.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pages.h"
#include "queue_fleet.h"
#include "queue_peers.h"

enum {
    CHANNEL_VERSION = 4,
    CHANNEL_MESSAGE_MAX = 128 * 1024 /* bytes */
};

enum operation {
    OPERATION_ENQUEUE,     /* body enqueue; answer id */
    OPERATION_PULL,        /* body pull; answer batch */
    OPERATION_CANCEL,      /* body id; no answer body */
    OPERATION_REPORT,      /* body report; answer verdict */
    OPERATION_RETIRE,      /* body worker; no answer body */
    OPERATION_TALLY,       /* no body; answer tally */
    OPERATION_CHANGE,      /* body change; no answer body */
    OPERATION_TOLD,        /* body told; no answer body */
    OPERATION_CLOSE_PULL,  /* body close; no answer body */
    OPERATION_RESERVE,     /* body reserve; answer batch */
    OPERATION_SETTLE,      /* body settle; no answer body */
    OPERATION_HELLO,       /* body hello; answer hello_answer */
    OPERATION_HEARD,       /* body heard; no answer body */
    OPERATION_RAISE,       /* body raise; no answer body */
    OPERATION_LOAN,        /* body loan; no answer body */
    OPERATION_BACKUP,      /* no body; many answers pages, up to the one that is complete */
    OPERATION_WATCH_BATCH, /* body number: parked until a batch after it; answer number */
    OPERATION_LEASE,       /* body lease; answer grant; parked while nothing waits */
    OPERATION_LOOK,        /* body look; answer item; parked until the item is done */
    OPERATION_FORGET,      /* no body: the operation of this id is given up; that one is answered */
    OPERATION_RETURN,      /* body returned: a grant that was not delivered; not answered */
    OPERATION_COUNT
};

struct channel_look {
    struct uuid id;
    int64_t wait_ms;
};

struct channel_header {
    uint32_t version;
    uint16_t operation; /* enum operation; the same in the answer */
    uint16_t result;    /* enum queue_result; of an answer */
    uint64_t id;        /* chosen by the process; unique among its operations under way */
    int64_t until_ms; /* steady time: a lease or look may be parked until then; any other operation
                         is not begun after it. Of an answer that is FULL: the seconds until there
                         may be room */
};

struct channel_message {
    struct channel_header header;
    union {
        struct queue_enqueue enqueue;
        struct queue_pull pull;
        struct uuid id;
        struct queue_return returned;
        struct queue_report report;
        struct queue_worker worker;
        struct queue_change change;
        struct queue_lease lease;
        struct channel_look look;
        struct queue_batch batch;
        struct queue_verdict verdict;
        struct queue_tally tally;
        struct queue_grant grant;
        struct queue_item item;
        struct queue_told told;
        struct queue_close close;
        struct queue_reserve reserve;
        struct queue_settle settle;
        struct queue_hello hello;
        struct queue_hello_answer hello_answer;
        struct queue_heard heard;
        struct queue_raise raise;
        struct queue_loan_step loan;
        struct pages pages;
        int64_t number;
    } body;
};

_Static_assert(sizeof(struct channel_message) <= CHANNEL_MESSAGE_MAX, "messages are bounded");

/* The bytes of a message: of an operation, of an answer. Both are 0 for a message that no process
 * of this version can have sent (a count out of range, no such operation). */
size_t channel_operation_size(const struct channel_message *message);
size_t channel_answer_size(const struct channel_message *message);

enum channel_result { CHANNEL_OK, CHANNEL_AGAIN, CHANNEL_GONE };

/* Connects, without blocking. -1 with errno. channel_await will wait so long on this descriptor. */
int channel_connect(const char *path, int64_t answer_ms);

/* Prepares an accepted or connected descriptor: room for whole messages. */
void channel_prepare(int fd);

/* Sends size bytes of a message without blocking. */
enum channel_result channel_send(int fd, const struct channel_message *message, size_t size);

/* Receives one message without blocking; *size gets its bytes. A message that is too long, too
 * short for a header or of another version is CHANNEL_GONE: whoever sent it is not to be trusted.
 */
enum channel_result channel_receive(int fd, struct channel_message *message, size_t *size);

/* The same, but waits for a message; CHANNEL_AGAIN when none came in time. */
enum channel_result channel_await(int fd, struct channel_message *message, size_t *size);

/* Whether its process sends nothing more on the channel before it has this operation's answer. */
bool channel_awaits_answer(enum operation operation);

#endif
